"""Retries for calls that are safe to repeat."""

import random

from loadtests.habits import backoff_s
from loadtests.line import Answer, Line, Time

TRIES = 12


async def insist(
    line: Line,
    time: Time,
    chance: random.Random,
    name: str,
    path: str,
    *,
    body: object = None,
    token: str = "",
    key: str = "",
) -> Answer:
    """POST at most `TRIES` times: again after 5xx, 429 or no answer. Returns the last answer."""
    for attempt in range(1, TRIES + 1):
        answer = await line.ask(name, "POST", path, body=body, token=token, key=key)
        if answer.status and answer.status != 429 and answer.status < 500:
            break
        if attempt < TRIES:
            await time.sleep(backoff_s(attempt, answer.retry_after_s, chance))
    return answer
