"""Both sides of a drop's books, compared exactly during the sale (I3)."""

from collections.abc import Mapping

from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import select

from livesale.catalogue.store import Drop
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.ledger.states import DRAFT, OPENING
from livesale.ledger.tables import books, drops, log_offsets
from livesale.resources import Deployment
from stock.books import Books
from stock.entries import decode, is_known, movements
from stock.errors import LogCorrupt, Unreachable
from stock.ids import START
from stock.log import LogReader

_PAGE = 100
_ATTEMPTS = 5


class DropBooks(Struct, frozen=True):
    """`ok`: what SQL holds and the `lag_entries` it does not hold yet add up to what Redis has."""

    drop_id: str
    state: str
    redis: Books
    sql: Books
    lag_entries: int
    ok: bool


class _SqlSide(Struct, frozen=True):
    epoch: int
    offset: str
    books: Books
    archived: bool


async def compare_books(deployment: Deployment, drop: Drop) -> DropBooks:
    """Compare at one instant: SQL first, then Redis, then the log between the two.

    A drop that was never opened has empty books on both sides. Raises StoreUnavailable, or
    Unreachable, or LogTooNew while a later version's entry is on its way to SQL.
    """
    for _ in range(_ATTEMPTS):
        sql = await _sql_side(deployment, drop.drop_id)
        snapshot = await deployment.engine.snapshot(drop.drop_id)
        if snapshot is None:
            # Nothing in Redis: right for a drop that was never opened and for one that is
            # archived, a loss for any other.
            unopened = drop.state in (DRAFT, OPENING) and sql.books == Books()
            ok = sql.archived or unopened
            return DropBooks(drop.drop_id, drop.state, Books(), sql.books, 0, ok)
        tail = await _fold_tail(deployment, drop.drop_id, sql, snapshot.log_id)
        if tail is None:
            continue  # the writer moved on and trimmed what was to be read: look again
        lag, expected = tail
        redis = snapshot.books
        ok = redis == expected and redis.balanced and snapshot.epoch == sql.epoch
        return DropBooks(drop.drop_id, snapshot.state, redis, sql.books, lag, ok)
    raise StoreUnavailable("the log is trimmed faster than it can be read")


async def _sql_side(deployment: Deployment, drop_id: str) -> _SqlSide:
    # One statement, so that books and offset are of one instant.
    archived = select(drops.c.archived_ms).where(drops.c.drop_id == drop_id)
    query = (
        select(
            log_offsets.c.epoch,
            log_offsets.c.offset,
            archived.scalar_subquery(),
            *[books.c[name] for name in Books.__struct_fields__],
        )
        .select_from(log_offsets.outerjoin(books, books.c.drop_id == drop_id))
        .where(log_offsets.c.partition == deployment.keyspace.partition_of(drop_id))
    )
    async with session(deployment.sql) as connection:
        epoch, offset, archived_ms, *counters = (await connection.execute(query)).one()
    held = Books() if counters[0] is None else Books(*counters)
    return _SqlSide(epoch, offset, held, archived_ms is not None)


async def _fold_tail(
    deployment: Deployment, drop_id: str, sql: _SqlSide, until: str
) -> tuple[int, Books] | None:
    """How many entries follow the offset, and the books with them. None: some are gone."""
    key = deployment.keyspace.log(deployment.keyspace.partition_of(drop_id))
    reader = LogReader(deployment.redis, key)
    total, position, count = sql.books, sql.offset, 0
    try:
        while page := await reader.between(position, until, _PAGE):
            for entry_id, fields in page:
                # Whom an entry of a later version concerns, only that version knows.
                if fields.get("d") == drop_id or not is_known(fields):
                    total = _add(total, entry_id, fields)
            count += len(page)
            position = page[-1][0]
        # Trimming takes from the front and spares the entry at the offset: while that one is
        # there, nothing behind it can have been missed.
        if sql.offset == START:
            info = await reader.info()
            whole = info.entries_added == info.length
        else:
            whole = bool(await deployment.redis.xrange(key, sql.offset, sql.offset, 1))
    except RedisError as error:
        raise Unreachable(str(error)) from error
    return (count, total) if whole else None


def _add(total: Books, entry_id: str, fields: Mapping[str, str]) -> Books:
    try:
        for movement in movements(decode(entry_id, fields)):
            total = total.plus(movement)
    except LogCorrupt:
        pass  # the writer puts it aside; it is no part of the books
    return total
