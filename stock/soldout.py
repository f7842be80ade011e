"""The sold-out flag: after the rush a worker says "sold out" by itself, for at most 200 ms.

When a batch of a drop leaves nothing available, the worker remembers until `sold_out_ms` after the
batch was *sent* (the state it saw is no older than that). Then one attempt goes through as the
probe; those behind it wait for what it finds, so there is one probe at a time and nobody is told
"sold out" on older news.

A retry must get its first answer, not "sold out". An attempt with a key may be such a retry, first
answered by another worker; so under the flag it is refused here only when its buyer certainly
holds nothing of this drop. The worker knows by a filter with the names of all buyers of the drop.
The filter may take a stranger for a buyer: that attempt goes to Redis. Names are never removed from
a drop, so its buyers are all in the filter as long as Redis counts no more than it was filled with;
else keyed attempts go to Redis while it is filled again in the background.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from stock.batcher import Batcher, Caller
from stock.bloom import BloomFilter
from stock.errors import Overloaded, StockError
from stock.model import Attempt, BatchOutcome, Outcome, ReserveCode

MAX_FLAGS = 10_000
REST = 10  # filling rests for so many times as long as it took

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

    __slots__ = ("buyers", "filled", "names", "probe", "renewal", "rests_until", "until")

    def __init__(self) -> None:
        self.until = 0.0  # loop time up to which the drop may be called sold out
        self.buyers = 0  # how many buyers the drop has, by the newest batch
        self.names = BloomFilter()
        self.filled = 0  # how many buyers the drop had when it had no others than are in `names`
        self.probe: asyncio.Future[Outcome] | None = None
        self.renewal: asyncio.Task[None] | None = None
        self.rests_until = 0.0  # loop time before which it is not filled again

    def surely_new(self, buyer_id: str) -> bool:
        """Whether this buyer holds nothing of the drop, so that an attempt is no retry."""
        return self.filled == self.buyers and buyer_id not in self.names

    def note(self, answer: BatchOutcome) -> None:
        """Add the buyers of a batch.

        Those that the filter did not have are new to the drop, or unknown here. If they are as many
        as the drop has more buyers than the filter was filled with, then they are those buyers.
        """
        self.buyers = max(self.buyers, answer.buyers)
        for outcome in answer.outcomes:
            if outcome.code is ReserveCode.HELD and outcome.reservation is not None:
                self.filled += self.names.add(outcome.reservation.buyer_id)


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
        if keyed and not flag.surely_new(buyer_id):
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
            flag.note(answer)
            if (
                flag.filled != flag.buyers
                and flag.renewal is None
                and self._loop.time() >= flag.rests_until
            ):
                flag.renewal = self._loop.create_task(self._fill(drop_id, flag))

    def _raise(self, drop_id: str) -> _Flag:
        if len(self._flags) >= MAX_FLAGS:
            self._flags.pop(next(iter(self._flags)))
        flag = self._flags[drop_id] = _Flag()
        return flag

    async def _fill(self, drop_id: str, flag: _Flag) -> None:
        # All who are buyers now will be in it; who becomes one meanwhile may be missing.
        began_s, buyers = self._loop.time(), flag.buyers
        names = BloomFilter(buyers + buyers // 4)
        try:
            async for buyer_id in self._buyers_of(drop_id):
                names.add(buyer_id)
            flag.names, flag.filled = names, buyers
        except StockError:
            pass  # keyed attempts go on to Redis, and the next batch tries again
        finally:
            flag.renewal = None
            now_s = self._loop.time()
            flag.rests_until = now_s + REST * (now_s - began_s)


def _hand_on(answer: "asyncio.Future[Outcome]", caller: Caller) -> None:
    if answer.cancelled() or caller.done():
        return
    fault = answer.exception()
    if isinstance(fault, Exception):
        caller.set_exception(fault)
    else:
        caller.set_result(answer.result())
