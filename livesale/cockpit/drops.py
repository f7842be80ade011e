"""Figures of drops: SQL says which there are, Redis how many units each has now."""

from collections.abc import Mapping, Sequence

from livesale.cockpit import store
from livesale.cockpit.figures import DropFigure, DropFigures, LineFigure
from livesale.cockpit.glance import Expired, Glances
from livesale.cockpit.part import wall_ms
from livesale.cockpit.store import DropRow
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment

_OF_LINE = ("state", "n", "serving")
_FIELDS = ("state", "allotted", "available", "held", "sold", "burned")


class DropBoard:
    """One per worker. While SQL is away it shows the drops that it knew."""

    def __init__(self, deployment: Deployment, glances: Glances) -> None:
        self._deployment = deployment
        self._glances = glances
        self._rows: list[DropRow] = []
        self._all = 0
        self._expired: Mapping[str, Expired] = {}

    async def take(self) -> DropFigures:
        """Raises the faults of stock.errors, and StoreUnavailable without SQL and any list."""
        try:
            glance = await self._glances.last()
            self._rows, self._all = glance.drops, glance.all_drops
            self._expired = glance.expired or self._expired
        except StoreUnavailable:
            if not self._rows:
                raise
        at_ms = wall_ms()
        found = await self.figures(self._rows)
        return DropFigures(at_ms=at_ms, drops=found, more=max(0, self._all - len(found)))

    async def page(self, *, before: str, room_id: str, limit: int) -> list[DropFigure]:
        """Raises StoreUnavailable and the faults of stock.errors."""
        async with session(self._deployment.sql) as connection:
            rows = await store.live_drops(connection, before=before, room_id=room_id, limit=limit)
        return await self.figures(rows)

    async def figures(self, rows: Sequence[DropRow]) -> list[DropFigure]:
        """One round trip for all of them. Raises the faults of stock.errors."""
        if not rows:
            return []
        keyspace = self._deployment.keyspace
        in_line = [row.drop_id for row in rows if row.line]
        asked: list[tuple[str, ...]] = [
            ("HMGET", keyspace.of_drop(row.drop_id).drop, *_FIELDS) for row in rows
        ]
        asked += [("HMGET", keyspace.of_line(each).line, *_OF_LINE) for each in in_line]
        answers = await self._deployment.engine.ask_all(asked)
        lines = dict(zip(in_line, map(_line, answers[len(rows) :]), strict=True))
        return [
            self._figure(row, found, lines.get(row.drop_id))
            for row, found in zip(rows, answers, strict=False)
        ]

    def _figure(
        self, row: DropRow, found: Sequence[str | None], line: LineFigure | None
    ) -> DropFigure:
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
            line=line or (LineFigure(row.line, 0, 0) if row.line else None),
        )


def _line(found: Sequence[str | None]) -> LineFigure | None:
    """None: Redis does not have it, because it is a draft or archived."""
    state, people, serving = found
    if state is None:
        return None
    served = int(serving or 0)
    return LineFigure(state, max(0, int(people or 0) - served), served)
