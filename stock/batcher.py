"""The micro-batch: attempts of one tick on one drop go out as one call.

Why: with a call per request, one core reaches only 4,400 requests a second; a batch shares the
round trip and, with `appendfsync always`, the fsync. There is no timer: an idle system sends at the
end of the tick in which the attempt came; under load, a batch has all attempts that arrived while
the calls before it were in flight.

Limits: attempts per call (256), calls in flight per drop (2), queued attempts per drop, and the
time an attempt waits. The call in flight belongs to a task of the batcher: a cancelled caller stops
waiting, and never interrupts the call.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from stock.engine import Engine
from stock.errors import DeadlinePassed, OutcomeUnknown, Overloaded, StockError
from stock.model import MAX_BATCH, Attempt, BatchOutcome, Outcome

MAX_IN_FLIGHT = 2


class Caller(Protocol):
    """The receiver of an outcome, such as a future. Its methods must not raise.

    A caller that is `done` early no longer waits.
    """

    def done(self) -> bool: ...

    def set_result(self, outcome: Outcome, /) -> None: ...

    def set_exception(self, fault: Exception, /) -> None: ...


class _Waiter(Struct, gc=False, eq=False):
    """One attempt, its caller, and the loop time at which the caller stops waiting."""

    attempt: Attempt
    caller: Caller
    deadline: float


class Batcher:
    """Puts single attempts together into batches for an engine. One per process and event loop.

    Calls every listener in `listeners` with each answered batch: its drop, when it was sent (by the
    loop's clock) and its outcome.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_queue: int = 20_000,
        deadline_s: float = 3.0,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self.engine = engine
        self.max_queue = max_queue
        self.deadline_s = deadline_s
        self.max_batch = max_batch
        self.listeners: list[Callable[[str, float, BatchOutcome], None]] = []
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[str, _Lane] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """Queued attempts, over all drops."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    @property
    def in_flight(self) -> int:
        """Calls in flight, over all drops."""
        return sum(len(lane.flying) for lane in self._lanes.values())

    def submit(self, drop_id: str, attempt: Attempt) -> asyncio.Future[Outcome]:
        """Queue one attempt; the future gets its outcome or fault. Raises the same as `enter`.

        Cancelling the future removes a queued attempt; one in flight continues without its
        caller.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self.enter(drop_id, attempt, future)
        return future

    def enter(self, drop_id: str, attempt: Attempt, caller: Caller) -> None:
        """Queue one attempt for a caller.

        Raises Overloaded if the drop's queue is full: then nothing was queued.
        """
        lane = self._lanes.get(drop_id)
        if lane is None:
            lane = self._lanes[drop_id] = _Lane(self, drop_id)
            self._idle.clear()
        elif len(lane.queue) >= self.max_queue:
            raise Overloaded(f"{self.max_queue} attempts wait for drop {drop_id}")
        deadline = self._loop.time() + self.deadline_s
        lane.queue.append(_Waiter(attempt, caller, deadline))
        if not (lane.flush_due and lane.timer):
            lane.arm(deadline)

    async def reserve(self, drop_id: str, attempt: Attempt) -> Outcome:
        """The outcome of one attempt.

        Raises Overloaded, DeadlinePassed or Unreachable (nothing was sent), OutcomeUnknown (ask
        again with the same rid), ScriptRefused or BooksBroken.
        """
        return await self.submit(drop_id, attempt)

    async def drain(self) -> None:
        """Wait until nothing is queued or in flight."""
        await self._idle.wait()

    def _forget(self, lane: "_Lane") -> None:
        # Remove the lane of an idle drop, so that random drop ids cannot accumulate.
        del self._lanes[lane.drop_id]
        if not self._lanes:
            self._idle.set()


class _Lane:
    """The queue and the calls in flight of one drop."""

    def __init__(self, batcher: Batcher, drop_id: str) -> None:
        self.batcher = batcher
        self.drop_id = drop_id
        self.queue: deque[_Waiter] = deque()
        self.flying: dict[asyncio.Task[None], list[_Waiter]] = {}
        self._loop = batcher._loop
        self.flush_due = False
        self.timer: asyncio.TimerHandle | None = None

    def arm(self, deadline: float) -> None:
        """Send what is queued at the end of this tick, and watch its deadline."""
        # call_soon, not at once, so that later requests of the same tick join the batch.
        if not self.flush_due and len(self.flying) < MAX_IN_FLIGHT:
            self.flush_due = True
            self._loop.call_soon(self._flush)
        if self.timer is None:
            self.timer = self._loop.call_at(deadline, self._on_deadline)

    def _flush(self) -> None:
        self.flush_due = False
        while self.queue and len(self.flying) < MAX_IN_FLIGHT:
            batch = self._take()
            if batch:
                task = self._loop.create_task(self._send(batch))
                self.flying[task] = batch
                task.add_done_callback(self._on_done)
        if not self.queue and not self.flying:
            if self.timer is not None:
                self.timer.cancel()
            self.batcher._forget(self)

    def _take(self) -> list[_Waiter]:
        batch: list[_Waiter] = []
        while self.queue and len(batch) < self.batcher.max_batch:
            waiter = self.queue.popleft()
            if not waiter.caller.done():  # its caller is gone
                batch.append(waiter)
        return batch

    async def _send(self, batch: list[_Waiter]) -> None:
        sent_at = self._loop.time()
        try:
            answer = await self.batcher.engine.reserve(
                self.drop_id, [waiter.attempt for waiter in batch]
            )
        except asyncio.CancelledError:
            # Only the end of the event loop cancels this task.
            _fail(batch, lambda: OutcomeUnknown("the process stopped before the answer came"))
            raise
        except StockError as fault:
            # A new fault for each: raising one object twice would chain the tracebacks.
            what = type(fault), str(fault)
            _fail(batch, lambda: what[0](what[1]))
            return
        except Exception as fault:  # unexpected, but the callers must not wait for ever
            why = f"{type(fault).__name__}: {fault}"
            _fail(batch, lambda: OutcomeUnknown(why))
            raise
        try:
            for listener in self.batcher.listeners:
                listener(self.drop_id, sent_at, answer)
        finally:  # a failing listener must not delay callers
            for waiter, outcome in zip(batch, answer.outcomes, strict=True):
                if not waiter.caller.done():
                    waiter.caller.set_result(outcome)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        del self.flying[task]
        if not self.flush_due:
            self.flush_due = True
            # At the end of this tick, because answered callers may send new attempts within it.
            self._loop.call_soon(self._flush)

    def _on_deadline(self) -> None:
        """Ends expired waits; one timer per lane, for the oldest waiter."""
        now, self.timer = self._loop.time(), None
        for batch in self.flying.values():
            late = [waiter for waiter in batch if waiter.deadline <= now]
            _fail(late, lambda: OutcomeUnknown("no answer before the deadline"))
        while self.queue and self.queue[0].deadline <= now:
            waiter = self.queue.popleft()
            _fail([waiter], lambda: DeadlinePassed("waited in the queue until the deadline"))
        waiting = [
            waiter.deadline
            for batch in self.flying.values()
            for waiter in batch
            if not waiter.caller.done()
        ]
        if self.queue:
            waiting.append(self.queue[0].deadline)
        if waiting:
            self.timer = self._loop.call_at(min(waiting), self._on_deadline)


def _fail(waiters: list[_Waiter], fault: Callable[[], Exception]) -> None:
    for waiter in waiters:
        caller = waiter.caller
        if not caller.done():
            caller.set_exception(fault())
            if isinstance(caller, asyncio.Future):
                # A cancelled caller never reads it: that is not an unhandled fault.
                caller.exception()
