"""Comments in SQL. Queries only; every one takes a connection."""

from collections.abc import Collection, Sequence

from msgspec import Struct, structs
from sqlalchemy import and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import newer
from livesale.rooms.history.tables import room_comments
from livesale.rooms.tables import rooms

Key = tuple[str, int, int]  # room, number, time
Cursor = tuple[int, str, int]  # time, room, number: the order of the list


class Spoken(Struct, frozen=True):
    """A row of `room_comments`."""

    room_id: str
    comment_id: int
    at_ms: int
    buyer_id: str
    role: str
    text: str
    folded: str
    nickname: str | None
    deleted_ms: int | None = None
    deleted_by: str | None = None

    @property
    def key(self) -> Key:
        return self.room_id, self.comment_id, self.at_ms


class Removal(Struct, frozen=True):
    """A comment that was deleted."""

    room_id: str
    comment_id: int
    at_ms: int
    by: str


class SpokenFilter(Struct, frozen=True):
    """Empty: all."""

    room_id: str = ""
    buyer_id: str = ""
    folded: str = ""  # in its text
    since_ms: int | None = None
    until_ms: int | None = None
    deleted: bool | None = None


_KEY = tuple_(room_comments.c.room_id, room_comments.c.comment_id, room_comments.c.at_ms)
_SPOKEN = select(*[room_comments.c[name] for name in Spoken.__struct_fields__])


async def add_spoken(connection: AsyncConnection, spoken: Sequence[Spoken]) -> None:
    """Write those that are not there yet. Raises IntegrityError if another keeper does too."""
    if not spoken:
        return
    query = select(*_KEY.clauses).where(_KEY.in_([one.key for one in spoken]))
    known = {tuple(row) for row in await connection.execute(query)}
    new = {one.key: structs.asdict(one) for one in spoken if one.key not in known}
    if new:
        await connection.execute(insert(room_comments), list(new.values()))


async def note_removal(connection: AsyncConnection, removal: Removal) -> None:
    """Note that a comment was deleted: the newest of its number; a repeat changes nothing."""
    mine = (
        room_comments.c.room_id == removal.room_id,
        room_comments.c.comment_id == removal.comment_id,
    )
    query = select(func.max(room_comments.c.at_ms)).where(
        *mine, room_comments.c.at_ms <= removal.at_ms
    )
    at_ms = await connection.scalar(query)
    if at_ms is not None:
        await connection.execute(
            update(room_comments)
            .where(*mine, room_comments.c.at_ms == at_ms, room_comments.c.deleted_ms.is_(None))
            .values(deleted_ms=removal.at_ms, deleted_by=removal.by)
        )


async def find_spoken(
    connection: AsyncConnection, wanted: SpokenFilter, before: Cursor | None, limit: int
) -> list[Spoken]:
    """The newest first, after the key `before`."""
    table = room_comments.c
    order = (table.at_ms.desc(), table.room_id.desc(), table.comment_id.desc())
    query = _SPOKEN.order_by(*order).limit(limit)
    if wanted.room_id:
        query = query.where(table.room_id == wanted.room_id)
    if wanted.buyer_id:
        query = query.where(table.buyer_id == wanted.buyer_id)
    if wanted.since_ms is not None:
        query = query.where(table.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        query = query.where(table.at_ms < wanted.until_ms)
    if wanted.folded:
        query = query.where(table.folded.contains(wanted.folded, autoescape=True))
    if wanted.deleted is not None:
        is_deleted = table.deleted_ms.is_not(None)
        query = query.where(is_deleted if wanted.deleted else table.deleted_ms.is_(None))
    if before is not None:
        at_ms, room_id, comment_id = before
        same_room = and_(table.room_id == room_id, table.comment_id < comment_id)
        behind = and_(table.at_ms == at_ms, or_(table.room_id < room_id, same_room))
        # The first condition bounds the range; the second one only cuts the same millisecond.
        query = query.where(table.at_ms <= at_ms, or_(table.at_ms < at_ms, behind))
    return [Spoken(*row) for row in await connection.execute(query)]


async def forget_spoken(connection: AsyncConnection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` of the oldest comments; returns how many."""
    oldest = (
        select(*_KEY.clauses)
        .where(room_comments.c.at_ms < before_ms)
        .order_by(room_comments.c.at_ms)
        .limit(limit)
    )
    keys = [tuple(row) for row in await connection.execute(oldest)]
    if keys:
        await connection.execute(delete(room_comments).where(_KEY.in_(keys)))
    return len(keys)


async def rooms_in(
    connection: AsyncConnection, states: Collection[str], before: str, limit: int
) -> list[str]:
    """Rooms in these states with a smaller id than `before` (or all), the newest first."""
    query = select(rooms.c.room_id).where(rooms.c.state.in_(states))
    if before:
        query = query.where(rooms.c.room_id < before)
    return list(await connection.scalars(query.order_by(rooms.c.room_id.desc()).limit(limit)))


async def ended_rooms(
    connection: AsyncConnection, after: tuple[int, str], limit: int
) -> list[tuple[int, str]]:
    """(end, room) of rooms that ended behind this key, by time."""
    ended_ms, room_id = rooms.c.ended_ms, rooms.c.room_id
    behind = newer(ended_ms, room_id, after)
    query = (
        select(ended_ms, room_id)
        .where(ended_ms >= after[0], behind)
        .order_by(ended_ms, room_id)
        .limit(limit)
    )
    return [(at_ms, name) for at_ms, name in await connection.execute(query)]
