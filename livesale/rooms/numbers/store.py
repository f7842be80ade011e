"""The numbers of rooms: the counts that keepers wrote, and the sales of orders. Queries only.

Counts only rise, and a write keeps the highest: so any number of keepers may write them, in any
order, repeatedly.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Table,
    and_,
    case,
    distinct,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import of_drops
from livesale.ledger.refunds import SALES
from livesale.ledger.tables import orders, payments
from livesale.rooms.numbers.tables import room_minutes, room_records, room_tallies
from livesale.rooms.tables import rooms
from stock.model import HoldState

MINUTE_MS = 60_000

# Sums of a group of orders: the last columns of SoldMinute.
_SUMS = (func.count(), func.sum(orders.c.quantity), func.sum(orders.c.amount_fen))


class SoldMinute(Struct, frozen=True):
    """Orders of one drop that were made (or paid) in one minute."""

    drop_id: str
    minute_ms: int
    orders: int
    units: int
    amount_fen: int


class Buyers(Struct, frozen=True):
    """How many persons reserved and paid; `held` is the number of unpaid orders."""

    reserved: int
    paid: int
    held: int


async def open_record(connection: AsyncConnection, room_id: str, at_ms: int) -> None:
    """Note that keepers write this room's numbers."""
    row = room_records
    done = await connection.execute(
        update(row).where(row.c.room_id == room_id).values(updated_ms=at_ms)
    )
    if not done.rowcount:
        await _insert(connection, row, {"room_id": room_id, "closed": False, "updated_ms": at_ms})


async def close_record(connection: AsyncConnection, room_id: str, at_ms: int) -> None:
    """Note that the numbers are complete: none follow after the end of a room."""
    row = room_records
    await connection.execute(
        update(row).where(row.c.room_id == room_id).values(closed=True, updated_ms=at_ms)
    )


async def find_record(connection: AsyncConnection, room_id: str) -> tuple[bool, int] | None:
    """Whether a room's numbers are closed, and their time; None if there are none."""
    row = room_records.c
    query = select(row.closed, row.updated_ms).where(row.room_id == room_id)
    found = (await connection.execute(query)).first()
    return (bool(found[0]), found[1]) if found else None


async def unclosed(
    connection: AsyncConnection, states: Iterable[str], before_ms: int, limit: int
) -> list[str]:
    """Rooms that entered one of these states before `before_ms`, with open numbers."""
    query = (
        select(rooms.c.room_id)
        .join(room_records, room_records.c.room_id == rooms.c.room_id)
        .where(
            room_records.c.closed == false(),
            rooms.c.state.in_(list(states)),
            rooms.c.state_ms < before_ms,
        )
        .order_by(rooms.c.room_id)
        .limit(limit)
    )
    return [room_id for (room_id,) in await connection.execute(query)]


async def raise_tally(
    connection: AsyncConnection, room_id: str, born: str, name: str, value: int
) -> None:
    key = {"room_id": room_id, "born": born, "name": name}
    await _raise(connection, room_tallies, key, value)


async def raise_minute(
    connection: AsyncConnection, room_id: str, name: str, minute_ms: int, value: int
) -> None:
    key = {"room_id": room_id, "name": name, "minute_ms": minute_ms}
    await _raise(connection, room_minutes, key, value)


async def tallies_of(connection: AsyncConnection, room_id: str) -> list[tuple[str, str, int]]:
    """All (born, name, value)."""
    row = room_tallies.c
    query = select(row.born, row.name, row.value).where(row.room_id == room_id)
    return [(born, name, value) for born, name, value in await connection.execute(query)]


async def minutes_of(
    connection: AsyncConnection, room_id: str, names: Sequence[str]
) -> list[tuple[str, int, int]]:
    """(name, minute_ms, value) of these names, by time."""
    row = room_minutes.c
    query = (
        select(row.name, row.minute_ms, row.value)
        .where(row.room_id == room_id, row.name.in_(names))
        .order_by(row.minute_ms)
    )
    return [(name, at, value) for name, at, value in await connection.execute(query)]


async def reserved_by_minute(
    connection: AsyncConnection, drop_ids: Sequence[str]
) -> list[SoldMinute]:
    """All orders of these drops, in any state, by the minute of the reservation."""
    minute = _minute(orders.c.created_ms)
    query = (
        select(orders.c.drop_id, minute, *_SUMS)
        .where(of_drops(orders.c.order_id, drop_ids))
        .group_by(orders.c.drop_id, minute)
    )
    return [_sold(row) for row in await connection.execute(query)]


async def paid_by_minute(connection: AsyncConnection, drop_ids: Sequence[str]) -> list[SoldMinute]:
    """All sold orders of these drops, by the minute of the payment."""
    minute = _minute(payments.c.created_ms)
    query = (
        select(orders.c.drop_id, minute, *_SUMS)
        .select_from(payments.join(orders, orders.c.order_id == payments.c.order_id))
        .where(
            of_drops(payments.c.order_id, drop_ids),
            payments.c.result.in_(SALES),
            orders.c.state == HoldState.SOLD,
        )
        .group_by(orders.c.drop_id, minute)
    )
    return [_sold(row) for row in await connection.execute(query)]


async def buyers_of(connection: AsyncConnection, drop_ids: Sequence[str]) -> Buyers:
    """Distinct persons, over all of these drops."""
    paid = case((orders.c.state == HoldState.SOLD, orders.c.buyer_id))
    held = func.coalesce(func.sum(case((orders.c.state == HoldState.HELD, 1), else_=0)), 0)
    query = select(func.count(distinct(orders.c.buyer_id)), func.count(distinct(paid)), held).where(
        of_drops(orders.c.order_id, drop_ids)
    )
    reserved, bought, waiting = (await connection.execute(query)).one()
    return Buyers(int(reserved), int(bought), int(waiting))


def _minute(column: Any) -> Any:
    return column - column % MINUTE_MS


def _sold(row: Any) -> SoldMinute:
    drop_id, minute_ms, count, units, amount_fen = row
    return SoldMinute(drop_id, int(minute_ms), int(count), int(units), int(amount_fen))


async def _raise(
    connection: AsyncConnection, table: Table, key: dict[str, Any], value: int
) -> None:
    """Write a value, unless the present one is higher."""
    higher = case((table.c.value < value, value), else_=table.c.value)
    found = and_(*[table.c[name] == part for name, part in key.items()])
    statement = update(table).where(found).values(value=higher)
    if (await connection.execute(statement)).rowcount:
        return
    if not await _insert(connection, table, key | {"value": value}):
        await connection.execute(statement)


async def _insert(connection: AsyncConnection, table: Table, row: dict[str, Any]) -> bool:
    """Insert; False if the row exists, for example from another keeper just now."""
    try:
        async with connection.begin_nested():
            await connection.execute(insert(table), row)
    except IntegrityError:
        return False
    return True
