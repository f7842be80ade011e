"""The streams of rooms. Queries only; every one takes a connection.

A caller that changes a stream locks its room's row first: `livesale.rooms.store.lock_room`.
"""

from msgspec import Struct, structs
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.rooms.ingest.tables import room_streams

FIRST_NUMBER = 1


class Stream(Struct, frozen=True):
    """A row of `room_streams`."""

    room_id: str
    key_number: int = FIRST_NUMBER
    session: str | None = None
    began_ms: int | None = None
    seen_ms: int | None = None
    silent: bool = False
    last_session: str | None = None
    last_ms: int | None = None


_STREAM = select(*[room_streams.c[name] for name in Stream.__struct_fields__])


async def find_stream(connection: AsyncConnection, room_id: str) -> Stream:
    """The stream; a room without a row gets the initial state."""
    row = (await connection.execute(_STREAM.where(room_streams.c.room_id == room_id))).first()
    return Stream(*row) if row else Stream(room_id)


async def save_stream(connection: AsyncConnection, stream: Stream) -> None:
    """Write the stream of a locked room."""
    row = structs.asdict(stream)
    statement = update(room_streams).where(room_streams.c.room_id == stream.room_id)
    exists = select(room_streams.c.room_id).where(room_streams.c.room_id == stream.room_id)
    if (await connection.execute(exists)).first():
        await connection.execute(statement.values(row))
    else:
        await connection.execute(insert(room_streams), row)


async def see_stream(connection: AsyncConnection, room_id: str, session: str, at_ms: int) -> None:
    """Note the time of a hook, if the session is still the current one."""
    await connection.execute(
        update(room_streams)
        .where(room_streams.c.room_id == room_id, room_streams.c.session == session)
        .values(seen_ms=at_ms)
    )


async def unheard_streams(connection: AsyncConnection, before_ms: int, limit: int) -> list[Stream]:
    """Streams without a hook since `before_ms` that are not marked silent."""
    query = (
        _STREAM.where(
            room_streams.c.silent.is_(False),
            room_streams.c.seen_ms < before_ms,
            room_streams.c.session.is_not(None),
        )
        .order_by(room_streams.c.seen_ms)
        .limit(limit)
    )
    return [Stream(*row) for row in await connection.execute(query)]
