"""Work beside the demo ends with it, and its fault is raised as it is."""

import asyncio

import pytest

from livesale.demo.beside import beside


async def test_it_runs_while_open_and_ends_with_the_body() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def works() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(works()):
        await started.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_what_it_raises_ends_the_body() -> None:
    async def breaks() -> None:
        raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"):
        async with beside(breaks(), breaks(), asyncio.sleep(60)):
            await asyncio.sleep(60)
    await asyncio.sleep(0)  # and the task that noticed is not left cancelled


async def test_what_the_body_raises_is_raised_as_it_is() -> None:
    with pytest.raises(ValueError, match="broke"):
        async with beside(asyncio.sleep(60)):
            raise ValueError("broke")


async def test_a_cancelled_body_stays_cancelled() -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with beside(asyncio.sleep(60)):
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
