"""Finds the holds that end soon in one worker, by the due lists in Redis.

Only holds that are not paid by then cost anything: each one read, once, while buyers listen here.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from livesale.notices.events import EndingView, ReservationEnding
from livesale.notices.service import Notices
from livesale.resources import Deployment
from stock.errors import Unreachable
from stock.ids import drop_of, is_rid
from stock.model import HoldState, Reservation
from stock.records import unpack_reservation

SOURCE = "ending"
SOON_MS = 15_000
EVERY_S = 1.0
PAGE = 500
MAX_PAGES = 20  # of one partition, in one look

log = structlog.get_logger(__name__)


class EndingHolds:
    """One per worker. `now_ms` is Redis's clock."""

    def __init__(self, deployment: Deployment, notices: Notices, now_ms: Callable[[], int]) -> None:
        self._redis: Redis = deployment.redis
        self._keyspace = deployment.keyspace
        self._notices = notices
        self._now_ms = now_ms
        self._until_ms = 0

    async def step(self) -> float:
        """Look once; the seconds until the next look. Raises Unreachable."""
        if not self._notices.wanted.is_set():
            return EVERY_S
        try:
            await self._look()
        except RedisError as fault:
            raise Unreachable(str(fault)) from fault
        return EVERY_S

    async def _look(self) -> None:
        now_ms = self._now_ms()
        until_ms = now_ms + SOON_MS
        from_ms = self._until_ms
        if not now_ms <= from_ms <= until_ms:  # the first look, or the clock stepped
            from_ms = now_ms
        for partition in range(self._keyspace.partitions):
            await self._look_at(partition, from_ms, until_ms)
        self._until_ms = until_ms
        self._notices.recent.move(SOURCE, (until_ms, 0))
        self._notices.flush()

    async def _look_at(self, partition: int, from_ms: int, until_ms: int) -> None:
        key = self._keyspace.due(partition)
        for number in range(MAX_PAGES):
            page: Any = await self._redis.zrange(
                *(key, f"({from_ms}", until_ms),
                byscore=True,
                offset=number * PAGE,
                num=PAGE,
            )
            await self._remind([member for member in page if is_rid(member)])
            if len(page) < PAGE:
                return
        log.warning("too many holds end at once to remind everybody", partition=partition)

    async def _remind(self, rids: Sequence[str]) -> None:
        by_drop: defaultdict[str, list[str]] = defaultdict(list)
        for rid in rids:
            by_drop[drop_of(rid)].append(rid)
        for drop_id, own in by_drop.items():
            key = self._keyspace.of_drop(drop_id).reservations
            found: Any = await self._redis.hmget(key, own)
            for rid, packed in zip(own, found, strict=True):
                hold = _read(rid, packed)
                if hold is not None and hold.state is HoldState.HELD:
                    self._tell(drop_id, hold)

    def _tell(self, drop_id: str, hold: Reservation) -> None:
        view = EndingView(hold.rid, drop_id, hold.state, hold.quantity, hold.expires_ms)
        notice = ReservationEnding(at_ms=hold.expires_ms - SOON_MS, reservation=view)
        position = hold.expires_ms, 0
        self._notices.remind(SOURCE, position, hold.buyer_id, hold.rid, notice)


def _read(rid: str, packed: str | None) -> Reservation | None:
    try:
        return unpack_reservation(rid, packed) if packed else None
    except (ValueError, KeyError):
        return None  # the sweeper says so
