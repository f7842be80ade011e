"""Waiting for what happens elsewhere: in other tasks, processes and servers."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

WAIT_S = 60.0


async def until(
    condition: Callable[[], Awaitable[object] | object], seconds: float = WAIT_S
) -> None:
    """Wait until a condition holds, and ask every 10 ms. Its name says what the test waits for.

    Raises TimeoutError with that name and the last answer, after `seconds`.
    """
    ends = time.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {seconds:.0f} s for {condition.__qualname__}: {answer!r}")
        await asyncio.sleep(0.01)
