"""Figures of drops: SQL says which there are, Redis how many units each has now."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct
from redis.exceptions import RedisError

from livesale.cockpit import store
from livesale.cockpit.figures import DropFigure, DropFigures
from livesale.cockpit.glance import Glances
from livesale.cockpit.part import wall_ms
from livesale.cockpit.store import DropRow
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks import Tasks
from stock.errors import Unreachable

SHARE = 20  # counting of expired units rests for so many times as long as it took,
REST_S = 2.0  # and at least so long
COUNTED = 4  # drops at a time
_FIELDS = ("state", "allotted", "available", "held", "sold", "burned")


class _Expired(Struct, frozen=True):
    units: int
    at_ms: int


class DropBoard:
    """One per worker. While SQL is away it shows the drops that it knew."""

    def __init__(self, deployment: Deployment, glances: Glances, tasks: Tasks) -> None:
        self._deployment = deployment
        self._glances = glances
        self._tasks = tasks
        self._rows: list[DropRow] = []
        self._all = 0
        self._expired: dict[str, _Expired] = {}
        self._counting: asyncio.Task[None] | None = None
        self._next_count_s = 0.0

    async def take(self) -> DropFigures:
        """Raises Unreachable without Redis, StoreUnavailable without SQL and any list."""
        at_ms = wall_ms()
        try:
            glance = await self._glances.last()
            self._rows, self._all = glance.drops, glance.all_drops
        except StoreUnavailable:
            if not self._rows:
                raise
        found = await self.figures(self._rows)
        self._count_some(asyncio.get_running_loop().time())
        return DropFigures(at_ms=at_ms, drops=found, more=max(0, self._all - len(found)))

    async def page(self, *, before: str, room_id: str, limit: int) -> list[DropFigure]:
        """Raises StoreUnavailable and Unreachable."""
        async with session(self._deployment.sql) as connection:
            rows = await store.live_drops(connection, before=before, room_id=room_id, limit=limit)
        return await self.figures(rows)

    async def figures(self, rows: Sequence[DropRow]) -> list[DropFigure]:
        """One round trip for all of them. Raises Unreachable."""
        keyspace = self._deployment.keyspace
        if not rows:
            return []
        try:
            async with self._deployment.redis.pipeline(transaction=False) as together:
                for row in rows:
                    together.hmget(keyspace.of_drop(row.drop_id).drop, list(_FIELDS))
                answers = await together.execute()
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        return [self._figure(row, found) for row, found in zip(rows, answers, strict=True)]

    def _figure(self, row: DropRow, found: Sequence[str | None]) -> DropFigure:
        if found[0] is None:  # not open yet, or archived just now: SQL has it
            state = row.state
            units = [row.allotted, row.available, row.held, row.sold, row.burned]
            allotted, available, held, sold, burned = (int(each or 0) for each in units)
            if row.available is None:
                available = allotted
        else:
            state = found[0]
            allotted, available, held, sold, burned = (int(each or 0) for each in found[1:])
        expired = self._expired.get(row.drop_id)
        return DropFigure(
            drop_id=row.drop_id,
            sku_id=row.sku_id,
            room_id=row.room_id,
            state=state,
            opens_ms=row.opens_ms,
            closes_ms=row.closes_ms,
            allotted=allotted,
            remaining=available,
            held=held,
            sold=sold,
            burned=burned,
            expired=expired.units if expired else None,
            expired_at_ms=expired.at_ms if expired else None,
        )

    def _count_some(self, now_s: float) -> None:
        """Count the drop that was counted longest ago, beside everything else."""
        if self._counting is not None and not self._counting.done():
            return
        known = {row.drop_id for row in self._rows}
        self._expired = {each: one for each, one in self._expired.items() if each in known}
        if known and now_s >= self._next_count_s:
            work = self._count(sorted(known, key=self._counted_ms))
            self._counting = self._tasks.errand("cockpit: expired", work)

    def _counted_ms(self, drop_id: str) -> int:
        found = self._expired.get(drop_id)
        return found.at_ms if found else 0

    async def _count(self, drop_ids: Sequence[str]) -> None:
        """Count a few; then rest, so that SQL and this worker have little of it."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        async with session(self._deployment.sql) as connection:
            for drop_id in drop_ids[:COUNTED]:
                at_ms = wall_ms()
                units = await store.expired_units(connection, drop_id)
                self._expired[drop_id] = _Expired(units, at_ms)
                if clock() - began_s > 1 / SHARE:
                    break
        self._next_count_s = clock() + max(REST_S, SHARE * (clock() - began_s))
