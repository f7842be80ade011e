"""The writer's rows: orders, ledger, books, payments, and the offset.

All functions use the caller's transaction. A row count that differs from the plan is a
Contradiction: roll the transaction back.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyed import update_by_key
from livesale.ledger import line_rows, tables
from livesale.ledger.plan import BooksStep, Contradiction, Plan, Row, StateStep
from livesale.ledger.seals import UNSEALED
from stock.books import Books

ROWS_PER_STATEMENT = 500  # 200 to 500 is where multi-row inserts are fastest


class Position(Struct, frozen=True):
    """SQL's position in a partition's log: the id of its last entry, and the number of entries."""

    epoch: int
    offset: str
    entries: int


class BooksDiffer(Contradiction):
    """An entry does not continue from the books in SQL (None: the drop has none)."""

    def __init__(self, drop_id: str, expected: Books | None, found: Books | None) -> None:
        super().__init__(f"{drop_id}: the log continues from {expected}, SQL has {found}")
        self.drop_id = drop_id
        self.expected = expected
        self.found = found


def is_content(fault: BaseException) -> bool:
    """Whether SQL refuses the content of the rows.

    Everything else (down, deadlock, lock wait, disk full, too many connections, a missing table) is
    a fault of SQL, and the same batch may succeed later.
    """
    return isinstance(
        fault, Contradiction | IntegrityError | DataError | OverflowError | UnicodeEncodeError
    )


async def position(
    connection: AsyncConnection, partition: int, *, lock: bool = False
) -> Position | None:
    """SQL's position; with `lock`, nobody else can change it until this transaction ends."""
    row = tables.log_offsets.c
    query = select(row.epoch, row.offset, row.entries).where(row.partition == partition)
    found = (await connection.execute(query.with_for_update() if lock else query)).first()
    return Position(*found) if found else None


async def advance(
    connection: AsyncConnection, partition: int, offset: str, entries: int, at_ms: int
) -> None:
    """Advance SQL's position to `offset`, which adds `entries` entries."""
    row = tables.log_offsets
    await connection.execute(
        update(row)
        .where(row.c.partition == partition)
        .values(offset=offset, entries=row.c.entries + entries, updated_ms=at_ms)
    )


async def write(connection: AsyncConnection, plan: Plan) -> None:
    """Write a plan. Raises Contradiction, or SQL's errors."""
    for drop_id, books in plan.books.items():
        await _write_books(connection, drop_id, books)
    for drop_id, state in plan.states.items():
        await _write_state(connection, drop_id, state)
    await insert_rows(connection, tables.orders, list(plan.orders.values()))
    for (before, after, at_ms), order_ids in plan.moves_by_kind().items():
        for start in range(0, len(order_ids), ROWS_PER_STATEMENT):
            some = order_ids[start : start + ROWS_PER_STATEMENT]
            await _move_orders(connection, before, after, at_ms, some)
    await insert_rows(connection, tables.stock_ledger, plan.ledger)
    await insert_rows(connection, tables.payments, plan.payments)
    await insert_rows(connection, tables.refunds, plan.refunds)
    for drop_id, line in plan.lines.steps.items():
        if not await line_rows.write_step(connection, drop_id, line):
            raise Contradiction(f"the line of {drop_id} in SQL is not as the log continues it")
    for table, new in line_rows.inserts_of(plan.lines):
        await insert_rows(connection, table, new)


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows in statements of up to 500; lists of dicts, which SQLAlchemy compiles once."""
    statement = insert(table)
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        await connection.execute(statement, rows[start : start + ROWS_PER_STATEMENT])


async def _write_books(connection: AsyncConnection, drop_id: str, step: BooksStep) -> None:
    if step.before is None:
        await connection.execute(insert(tables.books), [{"drop_id": drop_id, **_dict(step.after)}])
        return
    before = {f"old_{name}": value for name, value in _dict(step.before).items()}
    done = await connection.execute(
        _BOOKS_STEP, {"old_drop_id": drop_id, **before, **_dict(step.after)}
    )
    if done.rowcount != 1:
        raise BooksDiffer(drop_id, step.before, await read_books(connection, drop_id))


async def read_books(connection: AsyncConnection, drop_id: str) -> Books | None:
    """The books of a drop in SQL, or None if the log has not opened it."""
    columns = [tables.books.c[name] for name in Books.__struct_fields__]
    query = select(*columns).where(tables.books.c.drop_id == drop_id)
    found = (await connection.execute(query)).first()
    return Books(*found) if found else None


async def is_adjusted(connection: AsyncConnection, drop_id: str, adjust_id: str) -> bool:
    """Whether SQL has an adjustment. Slow, because it reads all movements of the drop."""
    moved = tables.stock_ledger.c
    query = select(moved.drop_id).where(moved.drop_id == drop_id, moved.adjust_id == adjust_id)
    return (await connection.execute(query.limit(1))).first() is not None


async def _write_state(connection: AsyncConnection, drop_id: str, step: StateStep) -> None:
    done = await connection.execute(
        update_by_key(tables.drops)
        .where(tables.drops.c.drop_id == drop_id, tables.drops.c.state.in_(step.before))
        .values(state=step.after)
    )
    if done.rowcount != 1:
        query = select(tables.drops.c.state).where(tables.drops.c.drop_id == drop_id)
        found = await connection.scalar(query)
        raise Contradiction(
            f"{drop_id} is {found or 'unknown'} in SQL, not {'/'.join(step.before)}"
        )


async def _move_orders(
    connection: AsyncConnection, before: str, after: str, at_ms: int, order_ids: Sequence[str]
) -> None:
    done = await connection.execute(
        _MOVE, {"order_ids": order_ids, "before": before, "after": after, "at_ms": at_ms}
    )
    if done.rowcount != len(order_ids):
        raise Contradiction(
            f"{done.rowcount} of {len(order_ids)} orders were {before} to become {after}: "
            f"{', '.join(order_ids[:5])}"
        )


def _dict(books: Books) -> dict[str, Any]:
    return {name: getattr(books, name) for name in Books.__struct_fields__}


_BOOKS_STEP = (
    update(tables.books)
    .where(
        tables.books.c.drop_id == bindparam("old_drop_id"),
        *(tables.books.c[name] == bindparam(f"old_{name}") for name in Books.__struct_fields__),
    )
    .values({name: bindparam(name) for name in Books.__struct_fields__})
    # Every log entry comes through here: it unseals the drop.
    .values(UNSEALED)
)
_MOVE = (
    update(tables.orders)
    .where(
        tables.orders.c.order_id.in_(bindparam("order_ids", expanding=True)),
        tables.orders.c.state == bindparam("before"),
    )
    .values(state=bindparam("after"), updated_ms=bindparam("at_ms"))
)
