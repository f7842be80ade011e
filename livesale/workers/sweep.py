"""One partition's sweep: ends the holds that are due and closes the drops whose time is over."""

from collections import defaultdict
from collections.abc import Iterable

import structlog
from msgspec import Struct

from stock.engine import Engine
from stock.errors import BooksBroken, FencedOff, ScriptRefused
from stock.ids import drop_of, is_rid
from stock.model import MAX_BATCH, StateCode

PAGE = 4_096  # members of the due list taken at once
MAX_STUCK = 50_000
RETRY_STUCK_MS = 60_000

_log = structlog.get_logger(__name__)


class Swept(Struct):
    """What a sweep did."""

    expired: int = 0
    closed: int = 0
    stuck: int = 0  # members that it found it can do nothing about


class Sweeper:
    """Sweeps one partition. Two of them at once are harmless: each hold ends once, in Lua.

    A member that nothing answers for (its drop or reservation is gone, or its drop's books are
    broken) stays in the due list. It is remembered and passed by, so that such members can never
    fill the page and keep the others from their turn; a minute later it is tried again.
    """

    def __init__(self, engine: Engine, partition: int) -> None:
        self._engine = engine
        self._partition = partition
        self._tried: set[str] = set()
        self._stuck: set[str] = set()
        self._retry_at_ms = 0

    @property
    def passed_by(self) -> int:
        """How many members at the head of the list are passed by."""
        return len(self._stuck)

    async def sweep(self) -> Swept:
        """End everything that is due now. Raises FencedOff, NotSent or OutcomeUnknown."""
        done = Swept()
        now_ms = await self._engine.now_ms()
        if now_ms >= self._retry_at_ms:
            self._stuck.clear()
            self._retry_at_ms = now_ms + RETRY_STUCK_MS
        full = True
        while full:
            limit = PAGE + len(self._stuck)
            page = await self._engine.due(self._partition, limit)
            full = len(page) == limit
            # What was tried and is still due, is stuck if nothing answers for it.
            for member in self._tried.intersection(page):
                if await self._is_stray(member):
                    self._get_stuck(member, done)
            fresh = [member for member in page if member not in self._stuck]
            self._tried = set(fresh)
            if not fresh:
                break
            await self._end(fresh, done)
        return done

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
        for start in range(0, len(rids), MAX_BATCH):
            try:
                done.expired += await self._engine.expire(drop_id, rids[start : start + MAX_BATCH])
            except (BooksBroken, ScriptRefused) as fault:
                self._pass_by(rids, drop_id, fault, done)
                return

    async def _close(self, drop_id: str, done: Swept) -> None:
        try:
            code = await self._engine.close_drop(drop_id, only_when_due=True)
        except (BooksBroken, ScriptRefused) as fault:
            self._pass_by([drop_id], drop_id, fault, done)
            return
        if code is StateCode.FENCED:
            raise FencedOff(f"partition of {drop_id}")
        if code is StateCode.UNKNOWN_DROP:
            self._get_stuck(drop_id, done)
        elif code is StateCode.CHANGED:
            done.closed += 1
            _log.info("closed a drop at its time", drop_id=drop_id)

    def _pass_by(self, members: Iterable[str], drop_id: str, fault: Exception, done: Swept) -> None:
        """One drop that refuses must not keep the others from their turn."""
        _log.error("a drop refuses to be swept", drop_id=drop_id, reason=str(fault))
        for member in members:
            self._get_stuck(member, done)

    async def _is_stray(self, member: str) -> bool:
        # A hold that is still there was too early, by a clock that stepped back: it comes again.
        return is_rid(member) is not None and await self._engine.reservation(member) is None

    def _get_stuck(self, member: str, done: Swept) -> None:
        if len(self._stuck) < MAX_STUCK and member not in self._stuck:
            self._stuck.add(member)
            done.stuck += 1
            _log.error("nothing answers for a member of the due list", member=member)
