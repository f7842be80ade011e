"""The micro-batch: attempts of one tick on one drop leave as one call, the next when it is back.

Why: a call per request costs one core 4,400 requests a second; a batch shares the round trip and,
with `appendfsync always`, the fsync. There is no timer in front of the wire: an idle system sends
at the end of the very tick in which the attempt came, and under load the batch grows by itself to
what arrived while the calls before it were away.

What is bounded: attempts per call (256), calls in flight per drop (2), attempts queued per drop,
and the time an attempt waits. The call on the wire belongs to a task of the batcher: a caller that
is cancelled stops waiting, and never tears the call.
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
    """Who waits for an outcome: a future is one. It is told at once, amid the others: no raising.

    One that is `done` by itself has gone away.
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

    Every listener in `listeners` is told of each answered batch: its drop, when it was sent (by the
    loop's clock) and what it found.
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
        """Attempts that wait in front of the wire, over all drops."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    @property
    def in_flight(self) -> int:
        """Calls on the wire, over all drops."""
        return sum(len(lane.flying) for lane in self._lanes.values())

    def submit(self, drop_id: str, attempt: Attempt) -> asyncio.Future[Outcome]:
        """Queue one attempt; the future has its outcome or its fault. Raises as `enter`.

        Cancelling the future takes a queued attempt out; one that is on the wire goes on without
        its caller.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self.enter(drop_id, attempt, future)
        return future

    def enter(self, drop_id: str, attempt: Attempt, caller: Caller) -> None:
        """Queue one attempt for a caller.

        Raises Overloaded when the drop's queue is full: then nothing was queued.
        """
        lane = self._lanes.get(drop_id)
        if lane is None:
            lane = self._lanes[drop_id] = _Lane(self, drop_id)
            self._idle.clear()
        elif len(lane.queue) >= self.max_queue:
            raise Overloaded(f"{self.max_queue} attempts wait in front of drop {drop_id}")
        lane.add(_Waiter(attempt, caller, self._loop.time() + self.deadline_s))

    async def reserve(self, drop_id: str, attempt: Attempt) -> Outcome:
        """The outcome of one attempt.

        Raises Overloaded, DeadlinePassed or Unreachable (nothing was sent), OutcomeUnknown (ask
        again with the same rid), ScriptRefused or BooksBroken.
        """
        return await self.submit(drop_id, attempt)

    async def drain(self) -> None:
        """Wait until nothing is queued and nothing is on the wire."""
        await self._idle.wait()

    def _forget(self, lane: "_Lane") -> None:
        # An idle drop costs nothing: its lane goes, so that random drop ids cannot pile up.
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
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiter: _Waiter) -> None:
        self.queue.append(waiter)
        # call_soon, not at once: the requests that the same tick still brings go along.
        if not self._flush_due and len(self.flying) < MAX_IN_FLIGHT:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        if self._timer is None:
            self._timer = self._loop.call_at(waiter.deadline, self._on_deadline)

    def _flush(self) -> None:
        self._flush_due = False
        while self.queue and len(self.flying) < MAX_IN_FLIGHT:
            batch = self._take()
            if batch:
                task = self._loop.create_task(self._send(batch))
                self.flying[task] = batch
                task.add_done_callback(self._on_done)
        if not self.queue and not self.flying:
            if self._timer is not None:
                self._timer.cancel()
            self.batcher._forget(self)

    def _take(self) -> list[_Waiter]:
        batch: list[_Waiter] = []
        while self.queue and len(batch) < self.batcher.max_batch:
            waiter = self.queue.popleft()
            if not waiter.caller.done():  # its caller is gone: nobody wants the unit
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
            # A fault of its own for each: raising one object twice would chain their tracebacks.
            what = type(fault), str(fault)
            _fail(batch, lambda: what[0](what[1]))
            return
        except Exception as fault:  # not foreseen, but its callers must not wait for ever
            why = f"{type(fault).__name__}: {fault}"
            _fail(batch, lambda: OutcomeUnknown(why))
            raise
        try:
            for listener in self.batcher.listeners:
                listener(self.drop_id, sent_at, answer)
        finally:  # a listener that fails keeps no caller waiting
            for waiter, outcome in zip(batch, answer.outcomes, strict=True):
                if not waiter.caller.done():
                    waiter.caller.set_result(outcome)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        del self.flying[task]
        if not self._flush_due:
            self._flush_due = True
            # At the end of this tick: callers that were just answered may ask again within it.
            self._loop.call_soon(self._flush)

    def _on_deadline(self) -> None:
        """Ends the waits that are over; one timer a lane, for the oldest waiter still there."""
        now, self._timer = self._loop.time(), None
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
            self._timer = self._loop.call_at(min(waiting), self._on_deadline)


def _fail(waiters: list[_Waiter], fault: Callable[[], Exception]) -> None:
    for waiter in waiters:
        caller = waiter.caller
        if not caller.done():
            caller.set_exception(fault())
            if isinstance(caller, asyncio.Future):
                # A caller that was cancelled meanwhile never looks: that is no unhandled fault.
                caller.exception()
