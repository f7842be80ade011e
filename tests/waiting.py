"""Waiting for what happens elsewhere: in other tasks, processes and servers."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

WAIT_S = 60.0


async def until(
    condition: Callable[[], Awaitable[object] | object], seconds: float = WAIT_S
) -> None:
    """Wait until a condition holds. Its name says what the test waits for.

    Asks every 10 ms first, later every 100 ms: what is asked has work of its own to do.
    Raises TimeoutError with that name and the last answer, after `seconds`.
    """
    began = time.monotonic()
    ends = began + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        now = time.monotonic()
        if now > ends:
            raise TimeoutError(f"waited {seconds:.0f} s for {condition.__qualname__}: {answer!r}")
        await asyncio.sleep(min(0.1, 0.01 + (now - began) / 20))
