"""Rooms, their shelves, marks and members. Queries only; every one takes a connection.

A caller that changes a room or its shelf locks the room's row first, so the changes of a room have
one order, and its version counts them.
"""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import delete, func, insert, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyed import update_by_key
from livesale.ledger.tables import drops
from livesale.rooms.states import OVER
from livesale.rooms.tables import room_items, room_marks, room_members, room_seats, rooms
from livesale.validation.lists import has_words


class Room(Struct, frozen=True):
    """A row of `rooms`."""

    room_id: str
    title: str
    cover_url: str
    host: str
    state: str
    state_ms: int
    starts_ms: int
    started_ms: int | None
    ended_ms: int | None
    pinned: str | None
    pinned_ms: int | None
    version: int
    created_ms: int
    bars_version: int = 0
    host_name: str | None = None
    host_avatar_url: str | None = None
    was_paused: bool = False  # since when an abnormal room's host is silent
    muted: bool = False  # only the team of the room comments


class RoomHead(Struct, frozen=True):
    """The columns of a quiet room that the watch needs."""

    room_id: str
    starts_ms: int
    version: int
    bars_version: int


class Item(Struct, frozen=True):
    """A row of `room_items`."""

    room_id: str
    item_id: str
    title: str
    image_url: str
    price_fen: int
    state: str
    position: int
    sku_id: str | None
    drop_id: str | None


class Mark(Struct, frozen=True):
    """When an item was explained. `ended_ms` is None while it is pinned."""

    room_id: str
    mark_id: str
    item_id: str
    began_ms: int
    ended_ms: int | None


_ROOM = select(*[rooms.c[name] for name in Room.__struct_fields__])
_ITEM = select(*[room_items.c[name] for name in Item.__struct_fields__])
_MARK = select(*[room_marks.c[name] for name in Mark.__struct_fields__])


async def add_room(connection: AsyncConnection, room: Room) -> None:
    await connection.execute(insert(rooms), structs.asdict(room))


async def find_room(connection: AsyncConnection, room_id: str) -> Room | None:
    row = (await connection.execute(_ROOM.where(rooms.c.room_id == room_id))).first()
    return Room(*row) if row else None


async def lock_room(connection: AsyncConnection, room_id: str) -> Room | None:
    """The room, with its row locked until the end of the transaction."""
    query = _ROOM.where(rooms.c.room_id == room_id).with_for_update()
    row = (await connection.execute(query)).first()
    return Room(*row) if row else None


async def list_rooms(
    connection: AsyncConnection, *, states: Collection[str], before: str, limit: int
) -> list[Room]:
    """Rooms in these states with a smaller id than `before` (or all), the newest first."""
    query = _ROOM.where(rooms.c.state.in_(states)).order_by(rooms.c.room_id.desc()).limit(limit)
    if before:
        query = query.where(rooms.c.room_id < before)
    return [Room(*row) for row in await connection.execute(query)]


class RoomFilter(Struct, frozen=True):
    """Empty: all."""

    states: Collection[str] = ()
    host: str = ""
    words: str = ""  # of its title
    starts_since_ms: int | None = None
    starts_until_ms: int | None = None
    operator: str = ""  # who hosts it from the console, or is its host by name


async def find_rooms(
    connection: AsyncConnection, wanted: RoomFilter, before: str, limit: int
) -> list[Room]:
    """For operators: the newest first, those with a smaller id than `before`."""
    query = _ROOM.order_by(rooms.c.room_id.desc()).limit(limit)
    if before:
        query = query.where(rooms.c.room_id < before)
    if wanted.states:
        query = query.where(rooms.c.state.in_(wanted.states))
    if wanted.host:
        query = query.where(rooms.c.host == wanted.host)
    if wanted.operator:
        seats = select(room_seats.c.room_id).where(room_seats.c.operator == wanted.operator)
        query = query.where(or_(rooms.c.room_id.in_(seats), rooms.c.host == wanted.operator))
    if wanted.words:
        query = query.where(has_words(rooms.c.title, wanted.words))
    if wanted.starts_since_ms is not None:
        query = query.where(rooms.c.starts_ms >= wanted.starts_since_ms)
    if wanted.starts_until_ms is not None:
        query = query.where(rooms.c.starts_ms < wanted.starts_until_ms)
    return [Room(*row) for row in await connection.execute(query)]


async def count_rooms(connection: AsyncConnection, states: Collection[str]) -> dict[str, int]:
    """The number of rooms in each of these states; states without rooms are missing."""
    query = (
        select(rooms.c.state, func.count().label("rooms"))
        .where(rooms.c.state.in_(states))
        .group_by(rooms.c.state)
    )
    return {row.state: row.rooms for row in await connection.execute(query)}


async def heads_of_rooms(
    connection: AsyncConnection, state: str, before: str, limit: int
) -> list[RoomHead]:
    """Rooms in a state with a smaller id than `before` (or all), the newest first."""
    columns = [rooms.c[name] for name in RoomHead.__struct_fields__]
    query = select(*columns).where(rooms.c.state == state)
    if before:
        query = query.where(rooms.c.room_id < before)
    found = await connection.execute(query.order_by(rooms.c.room_id.desc()).limit(limit))
    return [RoomHead(*row) for row in found]


async def move_room(
    connection: AsyncConnection,
    room_id: str,
    before: Collection[str],
    after: str,
    at_ms: int,
    **values: Any,
) -> bool:
    """Change the state if it is one of `before`; returns whether it was."""
    statement = (
        update_by_key(rooms)
        .where(rooms.c.room_id == room_id, rooms.c.state.in_(before))
        .values(state=after, state_ms=at_ms, version=rooms.c.version + 1, **values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def note_start(connection: AsyncConnection, room_id: str, at_ms: int) -> None:
    """Save when a room first went live."""
    await connection.execute(
        update(rooms)
        .where(rooms.c.room_id == room_id, rooms.c.started_ms.is_(None))
        .values(started_ms=at_ms)
    )


async def change_room(connection: AsyncConnection, room: Room, **values: Any) -> Room:
    """Update columns of a locked room and increment its version; returns the room."""
    after = structs.replace(room, version=room.version + 1, **values)
    await connection.execute(
        update(rooms).where(rooms.c.room_id == room.room_id).values(version=after.version, **values)
    )
    return after


async def items_of(connection: AsyncConnection, room_id: str) -> list[Item]:
    """The shelf in order."""
    query = _ITEM.where(room_items.c.room_id == room_id).order_by(
        room_items.c.position, room_items.c.item_id
    )
    return [Item(*row) for row in await connection.execute(query)]


async def find_item(connection: AsyncConnection, room_id: str, item_id: str) -> Item | None:
    query = _ITEM.where(room_items.c.room_id == room_id, room_items.c.item_id == item_id)
    row = (await connection.execute(query)).first()
    return Item(*row) if row else None


async def count_items(connection: AsyncConnection, room_id: str) -> tuple[int, int]:
    """The number of items, and the highest position."""
    query = select(func.count(), func.coalesce(func.max(room_items.c.position), 0)).where(
        room_items.c.room_id == room_id
    )
    count, last = (await connection.execute(query)).one()
    return int(count), int(last)


async def add_item(connection: AsyncConnection, item: Item) -> None:
    await connection.execute(insert(room_items), structs.asdict(item))


async def change_item(connection: AsyncConnection, item: Item) -> None:
    """Update an item."""
    await connection.execute(
        update(room_items)
        .where(room_items.c.room_id == item.room_id, room_items.c.item_id == item.item_id)
        .values(structs.asdict(item))
    )


async def remove_item(connection: AsyncConnection, room_id: str, item_id: str) -> None:
    await connection.execute(
        delete(room_items).where(room_items.c.room_id == room_id, room_items.c.item_id == item_id)
    )


async def begin_mark(connection: AsyncConnection, mark: Mark) -> None:
    await connection.execute(insert(room_marks), structs.asdict(mark))


async def end_marks(connection: AsyncConnection, room_id: str, at_ms: int) -> None:
    """End the open mark, if any."""
    await connection.execute(
        update(room_marks)
        .where(room_marks.c.room_id == room_id, room_marks.c.ended_ms.is_(None))
        .values(ended_ms=at_ms)
    )


async def marks_of(
    connection: AsyncConnection, room_id: str, *, after: str, limit: int
) -> list[Mark]:
    """Marks with a higher id than `after`, the oldest first."""
    query = (
        _MARK.where(room_marks.c.room_id == room_id, room_marks.c.mark_id > after)
        .order_by(room_marks.c.mark_id)
        .limit(limit)
    )
    return [Mark(*row) for row in await connection.execute(query)]


async def members_of(connection: AsyncConnection, room_id: str, role: str) -> list[str]:
    """The buyers with a role in a room, by id."""
    query = (
        select(room_members.c.buyer_id)
        .where(room_members.c.room_id == room_id, room_members.c.role == role)
        .order_by(room_members.c.buyer_id)
    )
    return [buyer_id for (buyer_id,) in await connection.execute(query)]


async def people_of_rooms(connection: AsyncConnection, since_ms: int) -> set[str]:
    """Hosts and members of all rooms that are not over, or have ended since then."""
    is_near = or_(rooms.c.state.not_in(OVER), rooms.c.ended_ms > since_ms)
    members = select(room_members.c.buyer_id).join(rooms, rooms.c.room_id == room_members.c.room_id)
    query = union(select(rooms.c.host).where(is_near), members.where(is_near))
    return set(await connection.scalars(query))


async def add_member(
    connection: AsyncConnection, room_id: str, buyer_id: str, role: str, at_ms: int
) -> None:
    """Give a buyer a new role. The room is locked."""
    row = {"room_id": room_id, "buyer_id": buyer_id, "role": role, "created_ms": at_ms}
    await connection.execute(insert(room_members), row)


async def remove_member(
    connection: AsyncConnection, room_id: str, buyer_id: str, role: str
) -> bool:
    """Remove a member; returns whether there was one."""
    found = await connection.execute(
        delete(room_members).where(
            room_members.c.room_id == room_id,
            room_members.c.buyer_id == buyer_id,
            room_members.c.role == role,
        )
    )
    return found.rowcount > 0


async def rooms_of_drops(
    connection: AsyncConnection, drop_ids: Sequence[str]
) -> dict[str, str | None]:
    """The room of each of these drops; unknown drops are missing."""
    query = select(drops.c.drop_id, drops.c.room_id).where(drops.c.drop_id.in_(drop_ids))
    return {row.drop_id: row.room_id for row in await connection.execute(query)}


async def drops_in_rooms(
    connection: AsyncConnection, partition: int, states: Collection[str]
) -> list[tuple[str, str]]:
    """(drop, room) of a partition's drops whose room is in one of these states."""
    query = (
        select(drops.c.drop_id, drops.c.room_id)
        .join(rooms, rooms.c.room_id == drops.c.room_id)
        .where(drops.c["partition"] == partition, rooms.c.state.in_(states))
    )
    return [(drop_id, room_id) for drop_id, room_id in await connection.execute(query)]
