"""SQL and Redis at comparable instants: SQL ⊕ the log after its offset is Redis (I3).

The SQL snapshot is opened first and kept open; its offset says which entries it lacks. Each drop is
then read from Redis in one atomic step that also returns the position of the log. The entries
between the two are the exact difference, however much is sold meanwhile.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import Some, among, portions
from livesale.ledger.line_tables import lines
from livesale.ledger.progress import Progress
from livesale.ledger.rows import Position
from livesale.ledger.states import DRAFT
from livesale.ledger.tables import books, drops, log_offsets
from livesale.ledger.unread import read_tail
from livesale.resources import Deployment
from stock.books import Books
from stock.entries import (
    ENDED_AS,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Reserved,
    begins,
    drop_state_after,
    movements,
)
from stock.errors import BooksBroken
from stock.ids import id_key
from stock.line.model import MAX_PLACES, LineMode, LineSnapshot, LineState
from stock.line.rows import Joined, LineClosed, LineEnded, LineOpened, LineRevived, Served
from stock.model import ConfirmCode, DropState, HoldState, Reservation, Snapshot

_OPENED = {DropState.OPEN, DropState.PAUSED}


class DropView(Struct):
    """One drop in both stores. `moved` sums the entries after SQL's offset, up to the snapshot."""

    drop_id: str
    partition: int | None  # for books without a drop: None, and an empty state
    sql_state: str
    sql_books: Books | None
    snapshot: Snapshot | None
    moved: Books = Books()
    state_after: str = ""  # after the last change of state in the rest of the log
    reserved: int = 0  # reservations in the rest of the log
    fault: str = ""  # why there is no snapshot: the books in Redis are broken
    line: "LineView | None" = None

    @property
    def was_opened(self) -> bool:
        """Whether Redis must know this drop: only a finished one may have been archived."""
        if DropState.CLOSED in (self.sql_state, self.state_after):
            return bool(self.sql_books and self.sql_books.held)
        return self.sql_state in _OPENED or self.state_after in _OPENED


class LineView(Struct):
    """A drop's line in SQL, with the rest of the log up to its snapshot; and in Redis."""

    state: str
    places: int
    serving: int
    snapshot: LineSnapshot | None

    def add(self, entry: LogEntry) -> None:
        for row in entry.rows:
            match row:
                case LineOpened(terms=terms):
                    is_open = terms.mode is LineMode.WAITLIST
                    self.state = (LineState.OPEN if is_open else LineState.GATHERING).value
                case Joined():
                    self.places = row.index + 1
                case Served():
                    self.serving = row.until
                case LineClosed() | LineRevived():
                    self.state = LineState.OPEN.value
                case LineEnded():
                    self.state = row.state.value


class Behind(Struct):
    """Single reservations in the log after SQL's offset, by rid."""

    reserved: dict[str, Reservation] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    def add(self, entry: LogEntry) -> None:
        for row in entry.rows:
            match row:
                case Reserved():
                    self.reserved[row.rid] = row.reservation()
                    self.states[row.rid] = HoldState.HELD
                case Ended():
                    self.states[row.rid] = ENDED_AS[entry.kind]
                case Granted(before=None):
                    self.reserved[row.rid] = row.reservation(entry.at_ms)
                    self.states[row.rid] = HoldState.SOLD
                case Granted() | Confirmed(code=ConfirmCode.SOLD | ConfirmCode.LATE_SOLD):
                    self.states[row.rid] = HoldState.SOLD


class Instant(Struct):
    """`full` if it has every drop that was ever opened, else only unsealed drops."""

    positions: dict[int, Position]
    drops: dict[str, DropView]
    full: bool
    behind: Behind = field(default_factory=Behind)
    progress: Progress = field(default_factory=Progress)

    @property
    def some(self) -> Some:
        """The drops whose rows a check reads; None for all."""
        return None if self.full else list(self.drops)

    @property
    def besides(self) -> str:
        """What a check adds about drops that it did not read."""
        return "" if self.full else "; sealed drops by their seals"


async def take_instant(
    deployment: Deployment,
    reader: "Redis",
    connection: AsyncConnection,
    partition: int | None = None,
    *,
    full: bool = False,
    progress: Progress | None = None,
) -> Instant:
    """Read the unsealed drops of one partition or all; with `full`, every drop.

    `connection` is a snapshot that has not read anything yet.

    Raises LogTrimmed if the log after SQL's offset was trimmed meanwhile: take another snapshot.
    Raises LogTooNew if it has an entry of a later version.
    """
    row = log_offsets.c
    found = await connection.execute(select(row.partition, row.epoch, row.offset, row.entries))
    positions = {number: Position(*rest) for number, *rest in found if partition in (None, number)}
    drops = await _sql_drops(connection, partition, full)
    instant = Instant(positions, drops, full, progress=progress or Progress())
    instant.progress.count(len(drops))
    for view in instant.drops.values():
        try:
            view.snapshot = await deployment.engine.snapshot(view.drop_id)
        except BooksBroken as broken:
            view.fault = str(broken)
        instant.progress.advance()
    await _add_lines(deployment, connection, instant)
    for number, position in positions.items():
        if number < deployment.keyspace.partitions:
            await _add_tail(deployment, reader, instant, number, position)
    return instant


async def _add_lines(deployment: Deployment, connection: AsyncConnection, instant: Instant) -> None:
    row = lines.c
    for some in portions(instant.some):
        query = select(row.drop_id, row.state, row.places, row.serving)
        found = await connection.execute(query.where(among(row.drop_id, some)))
        for drop_id, state, places, serving in found:
            view = instant.drops.get(drop_id)
            if view is not None and not view.fault:
                line = await deployment.engine.line.snapshot(drop_id, after=MAX_PLACES)
                view.line = LineView(state, places, serving, line)


async def _sql_drops(
    connection: AsyncConnection, partition: int | None, full: bool
) -> dict[str, DropView]:
    counters = [books.c[name] for name in Books.__struct_fields__]
    columns = (drops.c.partition, drops.c.state, *counters)
    join = books.c.drop_id == drops.c.drop_id
    opened = (
        select(drops.c.drop_id, *columns)
        .select_from(drops.outerjoin(books, join))
        .where(drops.c.state != DRAFT)
    )
    queries = [opened]
    if not full:
        # Each of the two conditions uses an index, so sealed drops cost nothing.
        unsealed = select(books.c.drop_id, *columns).select_from(books.outerjoin(drops, join))
        queries = [
            opened.where(drops.c.archived_ms.is_(None)),
            unsealed.where(books.c.sealed_ms.is_(None)),
        ]
    if partition is not None:
        queries = [query.where(drops.c.partition == partition) for query in queries]
    return {
        drop_id: DropView(drop_id, number, state or "", _books(counts), None)
        for query in queries
        for drop_id, number, state, *counts in await connection.execute(query)
    }


def _books(counts: Sequence[Any]) -> Books | None:
    return None if counts[0] is None else Books(*(int(count) for count in counts))


async def _add_tail(
    deployment: Deployment, reader: "Redis", instant: Instant, partition: int, position: Position
) -> None:
    views = [view for view in instant.drops.values() if view.partition == partition]
    ends = [view.snapshot.log_id for view in views if view.snapshot]
    ends += [view.line.snapshot.log_id for view in views if view.line and view.line.snapshot]
    until = max([position.offset, *ends], key=id_key)
    key = deployment.keyspace.log(partition)
    async for entry in read_tail(reader, key, position.offset, until):
        instant.behind.add(entry)
        view = instant.drops.get(entry.drop_id)
        if view is None or view.snapshot is None:
            continue
        line = view.line
        if line and line.snapshot and id_key(entry.id) <= id_key(line.snapshot.log_id):
            line.add(entry)
        if id_key(entry.id) <= id_key(view.snapshot.log_id):
            _add_entry(view, entry)


def _add_entry(view: DropView, entry: LogEntry) -> None:
    for movement in movements(entry):
        view.moved = view.moved.plus(movement)
    state = drop_state_after(entry)
    if state is not None:
        view.state_after = state.value
    view.reserved += sum(map(begins, entry.rows))
