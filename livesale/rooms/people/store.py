"""Mutes and bans. Queries only; every one takes a connection.

Every change locks the room's row first, and increments `rooms.bars_version`.
"""

from collections.abc import Sequence

from msgspec import Struct, structs
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.rooms.people.tables import room_bars
from livesale.rooms.tables import rooms


class Restriction(Struct, frozen=True):
    """A row of `room_bars`."""

    room_id: str
    buyer_id: str
    kind: str
    until_ms: int
    reason: str
    barred_by: str
    created_ms: int


_RESTRICTION = select(*[room_bars.c[name] for name in Restriction.__struct_fields__])


async def restrictions_of(
    connection: AsyncConnection, room_id: str, now_ms: int
) -> list[Restriction]:
    """The bars that have not ended, by buyer id."""
    query = _RESTRICTION.where(
        room_bars.c.room_id == room_id, room_bars.c.until_ms > now_ms
    ).order_by(room_bars.c.buyer_id, room_bars.c.kind)
    return [Restriction(*row) for row in await connection.execute(query)]


async def restrictions_on(
    connection: AsyncConnection, room_id: str, buyer_id: str
) -> list[Restriction]:
    """All bars of one buyer, also ended ones."""
    query = _RESTRICTION.where(room_bars.c.room_id == room_id, room_bars.c.buyer_id == buyer_id)
    return [Restriction(*row) for row in await connection.execute(query)]


async def count_restricted(
    connection: AsyncConnection, room_id: str, *, besides: str
) -> tuple[int, int]:
    """How many other buyers are muted or banned, and when the first mute or ban ends (ms)."""
    people, first_ms = func.count(room_bars.c.buyer_id.distinct()), func.min(room_bars.c.until_ms)
    query = select(people, func.coalesce(first_ms, 0)).where(
        room_bars.c.room_id == room_id, room_bars.c.buyer_id != besides
    )
    count, ends_ms = (await connection.execute(query)).one()
    return int(count), int(ends_ms)


async def put_restriction(connection: AsyncConnection, bar: Restriction) -> None:
    """Write a bar; replaces one of the same kind on the same buyer."""
    await remove_restriction(connection, bar.room_id, bar.buyer_id, [bar.kind])
    await connection.execute(insert(room_bars), structs.asdict(bar))


async def remove_restriction(
    connection: AsyncConnection, room_id: str, buyer_id: str, kinds: Sequence[str]
) -> bool:
    """Delete a bar; returns whether there was one."""
    statement = delete(room_bars).where(
        room_bars.c.room_id == room_id,
        room_bars.c.buyer_id == buyer_id,
        room_bars.c.kind.in_(kinds),
    )
    return (await connection.execute(statement)).rowcount > 0


async def forget_restrictions(connection: AsyncConnection, room_id: str, now_ms: int) -> None:
    """Delete ended bars."""
    statement = delete(room_bars).where(
        room_bars.c.room_id == room_id, room_bars.c.until_ms <= now_ms
    )
    await connection.execute(statement)


async def count_up(connection: AsyncConnection, room_id: str) -> int:
    """Increment the version of a locked room's mutes and bans, and return it."""
    await connection.execute(
        update(rooms)
        .where(rooms.c.room_id == room_id)
        .values(bars_version=rooms.c.bars_version + 1)
    )
    query = select(rooms.c.bars_version).where(rooms.c.room_id == room_id)
    return int((await connection.execute(query)).scalar_one())
