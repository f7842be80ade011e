"""Work beside the demo ends with it, even work that loses a cancellation."""

import asyncio

import pytest

from livesale.demo.beside import beside


async def test_it_runs_while_open_and_ends_even_if_it_loses_a_cancellation() -> None:
    lost = 0

    async def loses_the_first() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    async with beside(loses_the_first(), asyncio.sleep(60)):
        await asyncio.sleep(0.03)
    assert lost == 2


async def test_what_it_raises_ends_the_body() -> None:
    async def breaks() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"):
        async with beside(breaks(), asyncio.sleep(60)):
            await asyncio.sleep(60)
    await asyncio.sleep(0)  # and the task that noticed is not left cancelled


async def test_a_cancelled_body_stays_cancelled() -> None:
    async def body() -> None:
        async with beside(asyncio.sleep(60)):
            await asyncio.sleep(60)

    task = asyncio.create_task(body())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
