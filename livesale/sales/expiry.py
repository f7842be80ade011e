"""One partition's sweep: ends the due holds and closes the drops whose time is over."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from livesale.tasks.clock_steps import ClockWatch
from stock.engine import Engine
from stock.errors import BooksBroken, FencedOff, ScriptRefused, ServerRefuses
from stock.ids import drop_of, is_rid
from stock.model import MAX_BATCH, StateCode

PAGE = 4_096  # members of the due list taken at once
MAX_PASSED_BY = 50_000
RETRY_MS = 60_000

_log = structlog.get_logger(__name__)


class Swept(Struct):
    """What a sweep did."""

    expired: int = 0
    closed: int = 0


class PaymentsUnderWay(Protocol):
    """`livesale.payments.collector.Collector`."""

    async def hold_back(self, rids: Sequence[str], now_ms: int) -> set[str]:
        """Which of these holds, all due, must not expire yet: bounded, and without waiting.

        `now_ms` is of a clock that nobody sets.
        """
        ...


class Sweeper:
    """Sweeps one partition. Two of them at once are harmless: each hold ends once, in Lua.

    A member that stands for nothing leaves the due list in the scripts. Those of a drop that
    refuses (its books are broken) stay: they are remembered and passed by, so that they can never
    fill the page and keep the others from their turn; a minute later they are tried again. When it
    is the server that refuses (no memory, busy), no drop is to blame: the sweep ends and is soon
    repeated, else holds would outlive a second without memory by a minute. While Redis's clock is
    doubted nothing ends.
    """

    def __init__(
        self, engine: Engine, partition: int, payments: PaymentsUnderWay | None = None
    ) -> None:
        self._engine = engine
        self._partition = partition
        self._payments = payments
        self._clock = ClockWatch(engine, partition)
        self._refused: set[str] = set()
        self._retry_at_ms = 0

    @property
    def passed_by(self) -> int:
        """How many members at the head of the list are passed by."""
        return len(self._refused)

    async def sweep(self) -> Swept:
        """End everything that is due now.

        Raises FencedOff, ServerRefuses, NotSent or OutcomeUnknown.
        """
        done = Swept()
        # Not Redis's time: were it an hour ahead for a moment, this would last an hour.
        now_ms = int(time.monotonic() * 1000)
        if now_ms >= self._retry_at_ms:
            self._refused.clear()
            self._retry_at_ms = now_ms + RETRY_MS
        before: list[str] = []
        held_back: set[str] = set()
        while True:
            limit = PAGE + len(self._refused) + len(held_back)
            page = await self._engine.due(self._partition, limit)
            if (await self._clock.look()).doubted:  # after the page, which was due then
                return done
            fresh = [m for m in page if m not in self._refused and m not in held_back]
            if self._payments is not None and fresh:
                rids = [member for member in fresh if is_rid(member)]
                held_back |= await self._payments.hold_back(rids, now_ms)
                fresh = [member for member in fresh if member not in held_back]
                if not fresh and len(page) == limit:
                    continue  # a page full of those: what is behind them must not wait
            if not fresh:
                return done
            if fresh == before:  # a full page that a try did not move, as hands may leave it
                self._pass_by(fresh, fresh[0], "due, and a try does not move it")
                if len(self._refused) >= MAX_PASSED_BY:
                    return done
                continue
            await self._end(fresh, done)
            if len(page) < limit:
                return done
            before = fresh

    async def _end(self, members: list[str], done: Swept) -> None:
        holds: defaultdict[str, list[str]] = defaultdict(list)
        for member in members:
            if is_rid(member):
                holds[drop_of(member)].append(member)
            else:
                await self._close(member, done)
        for drop_id, rids in holds.items():
            await self._expire(drop_id, rids, done)

    async def _expire(self, drop_id: str, rids: list[str], done: Swept) -> None:
        try:
            for start in range(0, len(rids), MAX_BATCH):
                done.expired += await self._engine.expire(drop_id, rids[start : start + MAX_BATCH])
        except ServerRefuses:
            raise
        except (BooksBroken, ScriptRefused) as fault:
            self._pass_by(rids, drop_id, str(fault))

    async def _close(self, drop_id: str, done: Swept) -> None:
        try:
            code = await self._engine.close_drop(drop_id, only_when_due=True)
        except ServerRefuses:
            raise
        except (BooksBroken, ScriptRefused) as fault:
            self._pass_by([drop_id], drop_id, str(fault))
            return
        if code is StateCode.FENCED:
            raise FencedOff(f"partition of {drop_id}")
        if code is StateCode.CHANGED:
            done.closed += 1
            _log.info("closed a drop at its time", drop_id=drop_id)

    def _pass_by(self, members: list[str], drop_id: str, reason: str) -> None:
        """One drop that refuses must not keep the others from their turn."""
        _log.error("a drop cannot be swept", drop_id=drop_id, reason=reason)
        self._refused.update(members[: MAX_PASSED_BY - len(self._refused)])
