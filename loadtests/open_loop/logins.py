"""Logs buyers in before a run, to get their tokens."""

import asyncio
import secrets
from collections.abc import Sequence

import aiohttp

from loadtests.target import Target, TargetAway
from loadtests.tokens import NoTokens

AT_ONCE = 32


async def log_in(target: Target, count: int) -> Sequence[str]:
    """Tokens of `count` new buyers, by the dev login. Raises NoTokens or TargetAway."""
    salt = secrets.token_hex(4)
    numbers = iter(range(count))
    tokens: list[str] = []

    async def keep_logging_in(http: aiohttp.ClientSession) -> None:
        for number in numbers:
            login = {"provider": "dev", "code": f"load-{salt}-{number}"}
            async with http.post("/v1/sessions", json=login) as answer:
                found = await answer.json(content_type=None)
            if answer.status != 201:
                raise NoTokens(
                    f"{target.url} gives no token (POST /v1/sessions: {answer.status} "
                    f"{found.get('code', '')}). Make them with `livesale token --buyers {count}` "
                    "and pass the file with --tokens."
                )
            tokens.append(found["token"])

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
    try:
        async with aiohttp.ClientSession(target.url, timeout=timeout) as http:
            await asyncio.gather(*[keep_logging_in(http) for _ in range(AT_ONCE)])
    except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
        raise TargetAway(f"{target.url} gave no tokens: {fault}.") from None
    return tokens
