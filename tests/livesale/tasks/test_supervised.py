"""Background tasks: a fault is counted, named while it lasts, and does not end the task."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from livesale.tasks import TABLE, Tasks, Works, errand, report_unhandled
from livesale.tasks.table import TaskTable
from stock.errors import Unreachable

FAULTS = [ValueError("a bad message"), Unreachable("redis is away"), asyncio.CancelledError()]


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> TaskTable:
    """A table of its own for each test."""
    monkeypatch.setattr(TABLE, "_lines", {})
    return TABLE


class Steps:
    """A task that meets one fault, and stays down until it may work."""

    def __init__(self, fault: BaseException) -> None:
        self.fault: BaseException | None = fault
        self.failed, self.may_work, self.worked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step(self) -> float:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            self.failed.set()
            raise fault
        await self.may_work.wait()
        self.worked.set()
        return 60.0

    async def body(self, works: Works) -> None:
        while True:
            rest_s = await self.step()
            works()
            await asyncio.sleep(rest_s)


@pytest.mark.parametrize("kind", ["repeat", "keep"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_fault_is_counted_and_named_until_the_task_works_again(
    table: TaskTable, kind: str, fault: BaseException
) -> None:
    steps = Steps(fault)
    async with asyncio.timeout(10), Tasks() as tasks:
        with capture_logs() as logged:
            if kind == "repeat":
                tasks.repeat("test: steps", steps.step, about="p00")
            else:
                tasks.keep("test: steps", steps.body, about="p00")
            # when it meets the fault
            await steps.failed.wait()
            await asyncio.sleep(0)
            # then it is named
            assert list(table.down()) == ["test: steps"]
            assert table.down()["test: steps"].startswith(type(fault).__name__)
            # and: it goes on, and is named no more
            steps.may_work.set()
            await steps.worked.wait()
            await asyncio.sleep(0)
            assert table.down() == {}
    line = table.line("test: steps")
    assert (line.failures, line.restarts, line.running) == (1, 1, 0)
    assert [(entry["event"], entry["about"]) for entry in logged] == [
        ("a background task failed", "p00"),
        ("a background task works again", "p00"),
    ]


async def test_one_task_that_fails_leaves_the_others_of_its_name_alone(table: TaskTable) -> None:
    bad, good = Steps(ValueError("one")), Steps(ValueError("two"))
    good.fault = None
    good.may_work.set()
    async with asyncio.timeout(10), Tasks() as tasks:
        tasks.repeat("test: rooms", bad.step)
        tasks.repeat("test: rooms", good.step)
        await good.worked.wait()
        await bad.failed.wait()
        await asyncio.sleep(0)
        assert list(table.down()) == ["test: rooms"]
        assert table.line("test: rooms").running == 2
        # the ones that work do not hide the one that does not
        registry = CollectorRegistry()
        registry.register(table)
        text = generate_latest(registry).decode()
        assert 'livesale_task_up{task="test: rooms"} 0.0' in text
        assert 'livesale_task_failures_total{task="test: rooms"} 1.0' in text


async def test_the_same_fault_is_logged_once(table: TaskTable) -> None:
    tries = asyncio.Semaphore(0)

    async def step() -> float:
        tries.release()
        raise Unreachable("redis is away")

    with capture_logs() as logged:
        async with asyncio.timeout(10), Tasks() as tasks:
            tasks.repeat("test: away", step, longest_s=0.001)
            for _ in range(5):
                await tries.acquire()
    assert len(logged) == 1
    assert table.line("test: away").failures >= 4


async def test_a_block_with_a_stop_waits_for_its_tasks() -> None:
    stop, done = asyncio.Event(), []

    async def body(_works: Works) -> None:
        await stop.wait()
        await asyncio.sleep(0)
        done.append("finished")

    async def step() -> float:
        if stop.is_set():
            done.append("stepped too late")
        return 60.0

    async with asyncio.timeout(10):
        asyncio.get_running_loop().call_later(0.01, stop.set)
        async with Tasks(stop) as tasks:
            tasks.keep("test: body", body)
            tasks.repeat("test: step", step)
    assert done == ["finished"]


async def test_a_block_without_a_stop_ends_its_tasks_even_when_their_ends_fail(
    table: TaskTable,
) -> None:
    begun = asyncio.Event()

    async def body(_works: Works) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("the end failed")

    async with asyncio.timeout(10):
        async with Tasks() as tasks:
            tasks.keep("test: end", body)
            await begun.wait()
        assert (table.line("test: end").failures, table.line("test: end").restarts) == (1, 0)


async def test_what_an_errand_raises_is_counted_and_given_to_those_who_wait(
    table: TaskTable,
) -> None:
    async def fail() -> int:
        raise ValueError("an errand failed")

    async def answer() -> int:
        return 7

    with capture_logs() as logged:
        task = errand("test: errand", fail(), about="r1")
        with pytest.raises(ValueError, match="an errand failed"):
            await task
        assert await errand("test: errand", answer()) == 7
    assert table.line("test: errand").failures == 1
    assert [(entry["about"], entry["log_level"]) for entry in logged] == [("r1", "error")]
    assert table.down() == {}  # nothing that should be running is missing


async def test_errands_may_finish_before_the_block_ends() -> None:
    done = []

    async def work(wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        done.append(wait_s)

    async with asyncio.timeout(10):
        tasks = Tasks()
        quick, slow = tasks.errand("test: work", work(0.01)), tasks.errand("test: work", work(60))
        await tasks.close(finish_s=0.2)
    assert (done, quick.done(), slow.cancelled()) == ([0.01], True, True)


async def test_what_nobody_handles_is_counted_and_logged(table: TaskTable) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def broken() -> None:
        raise ValueError("a callback failed")

    with capture_logs() as logged:
        report_unhandled(loop)
        loop.call_soon(broken)
        await asyncio.sleep(0.01)
    loop.set_exception_handler(before)
    assert table.line("unhandled").failures == 1
    assert [entry["log_level"] for entry in logged] == ["error"]
