"""Merges what a line did on a wrong, older copy of Redis into SQL, without a second place.

Places that SQL has stay as they are. Others follow at the end of the line in SQL, in the order in
which they were given on the copy, so their index may differ from the one that people saw.
"""

from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.line_plan import DRAFT
from livesale.ledger.line_rows import batches_of, leaves_of
from livesale.ledger.line_tables import lines
from stock.entries import LogEntry
from stock.line.model import LineMode, LineState, Place
from stock.line.rows import (
    Joined,
    Left,
    LineClosed,
    LineEnded,
    LineOpened,
    LineRevived,
    LineRow,
    Served,
)

_LIVE = (LineState.GATHERING.value, LineState.OPEN.value)


class _Line(Struct):
    state: str = ""
    commitment: str = ""
    n: int = 0
    serving: int = 0
    places: dict[str, Place] = field(default_factory=dict)


class LineRefit:
    """Tracks the lines; reads their first state from `connection`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._lines: dict[str, _Line] = {}

    async def fit(self, entry: LogEntry) -> list[LineRow]:
        """The rows that an entry of a line becomes; nothing if it does not fit any more."""
        line = await self._line(entry.drop_id)
        rows = [row for row in entry.rows if isinstance(row, LineRow)]
        if rows and isinstance(rows[0], Joined):
            joined = [row for row in rows if isinstance(row, Joined)]
            return [*self._join(line, joined)] if line.state in _LIVE else []
        found = self._one(line, rows[0]) if rows else None
        return [found] if found else []

    def _join(self, line: _Line, rows: list[Joined]) -> list[Joined]:
        fitted: list[Joined] = []
        for row in rows:
            known = line.places.get(row.buyer_id)
            if known is None or known.left:
                line.places[row.buyer_id] = Place(line.n)
                fitted.append(replace(row, index=line.n))
                line.n += 1
        return fitted

    def _one(self, line: _Line, row: LineRow) -> LineRow | None:
        match row:
            case LineOpened(terms=terms):
                if line.state != DRAFT or line.commitment != terms.commitment:
                    return None
                is_open = terms.mode is LineMode.WAITLIST
                line.state = (LineState.OPEN if is_open else LineState.GATHERING).value
                return row
            case Left(buyer_id=buyer_id):
                known = line.places.get(buyer_id)
                if known is None or known.left:
                    return None
                line.places[buyer_id] = Place(known.index, left=True)
                return Left(buyer_id, known.index)
            case LineClosed(seed=seed):
                if line.state != LineState.GATHERING:
                    return None
                line.state = LineState.OPEN.value
                return LineClosed(line.n, seed)
            case Served(until=until):
                until = min(until, line.n)
                if line.state != LineState.OPEN or until <= line.serving:
                    return None
                first, line.serving = line.serving, until
                return Served(first, until)
            case LineEnded(state=state):
                before = LineState.OPEN if state is LineState.GONE else LineState.GATHERING
                if line.state != before:
                    return None
                line.state = state.value
                return row
            case LineRevived():
                if line.state != LineState.GONE:
                    return None
                line.state = LineState.OPEN.value
                return LineRevived(line.serving)
        return None

    async def _line(self, drop_id: str) -> _Line:
        known = self._lines.get(drop_id)
        if known is None:
            known = self._lines[drop_id] = await self._read(drop_id)
        return known

    async def _read(self, drop_id: str) -> _Line:
        query = select(lines).where(lines.c.drop_id == drop_id)
        row = (await self._connection.execute(query)).first()
        if row is None:
            return _Line()
        line = _Line(row.state, row.commitment, row.places, row.serving)
        leaves = await leaves_of(self._connection, drop_id)
        async for first, _, _, buyers in batches_of(self._connection, drop_id):
            for place, buyer_id in enumerate(buyers, first):
                line.places[buyer_id] = Place(place, place in leaves)
        return line
