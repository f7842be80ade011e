"""Runs background tasks so that none ends silently.

A fault of a task is logged and counted, readyz names the task, and the task starts again after a
wait that grows from 50 ms to 5 s. Faults of one type are logged once a minute. A task that
something else cancels, such as a future that it waited for, counts as failed, too.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from livesale.errors import LivesaleError
from livesale.tasks.backoff import FIRST_S, LONGEST_S, Backoff, wait_for
from livesale.tasks.table import TABLE
from stock.errors import StockError

T = TypeVar("T")
Works = Callable[[], None]  # a task calls it after each step that worked
Body = Callable[[Works], Awaitable[None]]
Step = Callable[[], Awaitable[float]]  # does one round; returns the seconds until the next

SAME_S = 60.0  # between two lines in the log for faults of one task and one type
# An unavailable or refusing store: the reason is enough. Other faults are logged with a traceback.
FORESEEN = (StockError, LivesaleError, RedisError, SQLAlchemyError, OSError, TimeoutError)

_log = structlog.get_logger(__name__)
_errands: set[asyncio.Task[Any]] = set()  # the loop has only weak references to tasks


class Tasks:
    """The background tasks of one part of the service. They end with the block, or at `close`.

    With `stop`, the end of the block waits until each task has seen the event and returned;
    without it, the tasks are cancelled.
    """

    def __init__(self, stop: asyncio.Event | None = None) -> None:
        self._waits = stop is not None
        self._stop = stop or asyncio.Event()
        self._ending = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._waits and kind is None:
                while self._tasks:
                    await asyncio.wait(self._tasks)
        finally:
            await self.close()

    async def close(self, finish_s: float = 0.0) -> None:
        """End all tasks. Running errands get `finish_s` to finish."""
        self._ending = True
        if finish_s and (errands := self._tasks & _errands):
            await asyncio.wait(errands, timeout=finish_s)
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def keep(
        self,
        name: str,
        body: Body,
        *,
        about: object = None,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        steady_s: float | None = None,
    ) -> asyncio.Task[None]:
        """Run `body` until it returns; after a fault run it again.

        `name` is the same for all tasks of a kind; `about` is what this one is about, for the log.
        The pauses between two tries grow from `first_s` to `longest_s` seconds. If a body does not
        call `works` itself, it counts as working after `steady_s`.
        """
        run = self._run(name, body, about, Backoff(first_s, longest_s), steady_s)
        # In a new context, because it does not belong to a request.
        return self._own(asyncio.create_task(run, name=name, context=Context()))

    def repeat(
        self,
        name: str,
        step: Step,
        *,
        about: object = None,
        after_s: float = 0.0,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
    ) -> asyncio.Task[None]:
        """Repeat `step`, the first time after `after_s` seconds; see `keep`."""

        async def body(works: Works) -> None:
            nonlocal after_s
            if after_s:
                await wait_for(self._stop, after_s)
                after_s = 0.0
            while not self._stop.is_set():
                rest_s = await step()
                works()
                await wait_for(self._stop, rest_s)

        return self.keep(name, body, about=about, first_s=first_s, longest_s=longest_s)

    def errand(
        self,
        name: str,
        work: Coroutine[Any, Any, T],
        *,
        about: object = None,
        awaited: bool = False,
    ) -> asyncio.Task[T]:
        """Like the function `errand`; it ends with the other tasks."""
        return self._own(errand(name, work, about=about, awaited=awaited))

    def _own(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(
        self, name: str, body: Body, about: object, backoff: Backoff, steady_s: float | None
    ) -> None:
        line, key, loop = TABLE.line(name), object(), asyncio.get_running_loop()

        def works() -> None:
            backoff.reset()
            if line.down.pop(key, None) is not None and not line.down:
                line.logged_s.clear()
                _log.warning("a background task works again", task=name, about=about)

        line.running += 1
        try:
            while True:
                steady = None if steady_s is None else loop.call_later(steady_s, works)
                try:
                    await body(works)
                    return
                except asyncio.CancelledError as cancelled:
                    if _is_meant():
                        raise
                    fault: BaseException = cancelled
                except Exception as raised:
                    fault = raised
                finally:
                    if steady is not None:
                        steady.cancel()
                line.down[key] = note_fault(name, fault, about)
                if self._ending or _is_meant():
                    return
                await backoff.wait(self._stop)
                if self._stop.is_set():
                    return
                line.restarts += 1
        finally:
            line.running -= 1
            line.down.pop(key, None)


def errand(
    name: str,
    work: Coroutine[Any, Any, T],
    *,
    about: object = None,
    awaited: bool = False,
) -> asyncio.Task[T]:
    """Run `work` once, in a new task. Logs and counts its faults, and re-raises them for callers
    that await the task. With `awaited` there always is one: then it leaves expected faults to the
    caller, and notes only other ones."""

    def note(task: asyncio.Task[T]) -> None:
        _errands.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None and not (awaited and isinstance(fault, FORESEEN)):
            note_fault(name, fault, about)

    task = asyncio.create_task(work, name=name)
    _errands.add(task)
    task.add_done_callback(note)
    return task


def report_unhandled(loop: asyncio.AbstractEventLoop) -> None:
    """Log and count unhandled faults of callbacks and of tasks that nobody awaits."""

    def note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if fault is None:
            _log.warning("the event loop reported an error", what=context.get("message"))
        else:
            note_fault("unhandled", fault, context.get("message"))

    loop.set_exception_handler(note)


def _is_meant() -> bool:
    """Whether the running task itself was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def note_fault(name: str, fault: BaseException, about: object = None) -> str:
    """Count a fault, and log it unless one of its type was logged within a minute. Returns its
    text."""
    line, kind, now_s = TABLE.line(name), type(fault).__name__, time.monotonic()
    line.failures += 1
    said = f"{kind}: {_say(fault)}"
    if now_s - line.logged_s.get(kind, -SAME_S) >= SAME_S:
        line.logged_s[kind] = now_s
        if isinstance(fault, FORESEEN):
            _log.warning("a background task failed", task=name, about=about, reason=said)
        else:
            _log.error("a background task failed", task=name, about=about, exc_info=fault)
    return said


def _say(fault: BaseException) -> str:
    if isinstance(fault, BaseExceptionGroup):
        return "; ".join(f"{type(one).__name__}: {_say(one)}" for one in fault.exceptions)
    return str(getattr(fault, "orig", None) or fault)
