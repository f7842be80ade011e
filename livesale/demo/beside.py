"""Work that goes on beside the demo's story, and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

ASK_AGAIN_S = 0.2


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these while open. What one of them raises ends the body, and is raised here.

    Not a TaskGroup: it cancels once. Before Python 3.12 `asyncio.wait_for`, which redis-py calls
    for every command, loses a cancellation that comes as its work is done (1 of 100 did), and a
    sampler that lost it would run for ever.
    """
    body = asyncio.current_task()
    assert body is not None  # noqa: S101  this is a coroutine
    failed: list[BaseException] = []

    def watch(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            failed.append(error)
            body.cancel()

    tasks = {asyncio.create_task(work) for work in works}
    for task in tasks:
        task.add_done_callback(watch)
    try:
        yield
    except asyncio.CancelledError:
        if not failed:
            raise
        body.uncancel()
        raise failed[0] from None
    finally:
        for task in tasks:
            task.remove_done_callback(watch)
        await _end(tasks)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_S)
