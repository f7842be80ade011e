"""The sold-out flag: after the rush a worker says "sold out" by itself, for at most 200 ms.

When a batch of a drop leaves nothing available, the worker remembers until `sold_out_ms` after the
batch was *sent* (the state it saw is no older than that). Then one attempt goes through as the
probe; those behind it wait for what it finds, so there is one probe at a time and nobody is told
"sold out" on older news.

A retry must get its first answer, not "sold out". An attempt with a key may be such a retry, first
answered by another worker; so under the flag it is refused here only when its buyer certainly
holds nothing of this drop. The worker knows by a copy of the names of all buyers of the drop.
Names are never removed from the drop, so as long as Redis counts as many as the copy has, the
copy is whole; else keyed attempts go to Redis while the copy is renewed in the background.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from stock.batcher import Batcher, Caller
from stock.errors import Overloaded, StockError
from stock.model import Attempt, BatchOutcome, Outcome, ReserveCode

MAX_BUYERS = 50_000  # a drop with more is asked at every keyed attempt: the copy would cost more
MAX_FLAGS = 10_000

_SOLD_OUT = Outcome(ReserveCode.SOLD_OUT)
_SELLING = {ReserveCode.HELD, ReserveCode.SOLD_OUT}
_NOT_SELLING = {
    ReserveCode.NOT_OPEN,
    ReserveCode.CLOSED,
    ReserveCode.PAUSED,
    ReserveCode.UNKNOWN_DROP,
    ReserveCode.FENCED,
}


class _Flag:
    """What this worker knows of one drop that was found empty."""

    __slots__ = ("buyers", "copy", "probe", "renewal", "until")

    def __init__(self) -> None:
        self.until = 0.0  # loop time up to which the drop may be called sold out
        self.buyers = 0  # how many buyers the drop has, by the last batch
        self.copy: set[str] = set()
        self.probe: asyncio.Future[Outcome] | None = None
        self.renewal: asyncio.Task[None] | None = None

    @property
    def whole(self) -> bool:
        return len(self.copy) == self.buyers

    def surely_new(self, buyer_id: str) -> bool:
        """Whether this buyer holds nothing of the drop, so that an attempt is no retry."""
        return self.whole and buyer_id not in self.copy


class SoldOut:
    """`Batcher.reserve` behind the flag; listens to what the batcher's batches find.

    `buyers_of(drop_id)` iterates the names of all buyers of a drop. `answered` counts the answers
    given without Redis.
    """

    def __init__(
        self,
        batcher: Batcher,
        buyers_of: Callable[[str], AsyncIterator[str]],
        *,
        sold_out_ms: int = 200,
    ) -> None:
        self._batcher = batcher
        self._buyers_of = buyers_of
        self._lifetime_s = sold_out_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._flags: dict[str, _Flag] = {}
        self.answered = 0
        if sold_out_ms:
            batcher.listeners.append(self._on_batch)

    async def reserve(self, drop_id: str, attempt: Attempt, *, keyed: bool) -> Outcome:
        """The outcome of one attempt; raises as `Batcher.reserve`.

        Overloaded also when the probe that it waited for met a fault.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self.enter(drop_id, attempt, future, keyed=keyed)
        return await future

    def known(self, drop_id: str, buyer_id: str, *, keyed: bool) -> Outcome | None:
        """SOLD_OUT where that can be said at once. `keyed`: with a key, it may be a retry."""
        flag = self._flags.get(drop_id)
        if flag is None or self._loop.time() >= flag.until:
            return None
        if keyed and (len(flag.copy) != flag.buyers or buyer_id in flag.copy):
            return None
        self.answered += 1
        return _SOLD_OUT

    def enter(self, drop_id: str, attempt: Attempt, caller: Caller, *, keyed: bool) -> None:
        """Have one attempt answered to its caller. Raises as `Batcher.enter`."""
        flag = self._flags.get(drop_id)
        if flag is None or (keyed and not flag.surely_new(attempt.buyer_id)):
            self._batcher.enter(drop_id, attempt, caller)
            return
        found = self.known(drop_id, attempt.buyer_id, keyed=keyed)
        if found is not None:
            caller.set_result(found)
            return
        probe = flag.probe
        if probe is None or probe.done():
            answer = flag.probe = self._batcher.submit(drop_id, attempt)
        else:
            answer = self._loop.create_task(self._behind(probe, flag, drop_id, attempt))
        answer.add_done_callback(lambda done: _hand_on(done, caller))
        if isinstance(caller, asyncio.Future):
            caller.add_done_callback(lambda _: answer.cancel() if caller.cancelled() else None)

    async def _behind(
        self, probe: "asyncio.Future[Outcome]", flag: _Flag, drop_id: str, attempt: Attempt
    ) -> Outcome:
        # `probe`, not `flag.probe`: while we wait, another attempt may become the next probe.
        await asyncio.wait([probe])
        if self._loop.time() < flag.until:
            self.answered += 1
            return _SOLD_OUT
        if not probe.cancelled() and probe.exception() is not None:
            raise Overloaded(f"the probe of drop {drop_id} met a fault; nothing of this was sent")
        return await self._batcher.submit(drop_id, attempt)

    def _on_batch(self, drop_id: str, sent_at: float, answer: BatchOutcome) -> None:
        codes = {outcome.code for outcome in answer.outcomes}
        flag = self._flags.get(drop_id)
        if answer.remaining > 0 or codes & _NOT_SELLING:
            if flag is not None:
                flag.until = 0.0
                del self._flags[drop_id]
            return
        if codes & _SELLING:
            if flag is None:
                flag = self._raise(drop_id)
            flag.until = max(flag.until, sent_at + self._lifetime_s)
        if flag is not None:
            flag.buyers = answer.buyers
            if not flag.whole and flag.buyers <= MAX_BUYERS and flag.renewal is None:
                flag.renewal = self._loop.create_task(self._renew(drop_id, flag))

    def _raise(self, drop_id: str) -> _Flag:
        if len(self._flags) >= MAX_FLAGS:
            self._flags.pop(next(iter(self._flags)))
        flag = self._flags[drop_id] = _Flag()
        return flag

    async def _renew(self, drop_id: str, flag: _Flag) -> None:
        try:
            flag.copy = {buyer_id async for buyer_id in self._buyers_of(drop_id)}
        except StockError:
            pass  # keyed attempts go on to Redis, and the next batch tries again
        finally:
            flag.renewal = None


def _hand_on(answer: "asyncio.Future[Outcome]", caller: Caller) -> None:
    if answer.cancelled() or caller.done():
        return
    fault = answer.exception()
    if isinstance(fault, Exception):
        caller.set_exception(fault)
    else:
        caller.set_result(answer.result())
