"""Short codes in SQL. Queries only; every one takes a connection."""

from msgspec import Struct, structs
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.shares.tables import shares


class Share(Struct, frozen=True):
    """A row of `shares`."""

    code: str
    room_id: str
    picture_id: str | None
    created_ms: int


_SHARE = select(*[shares.c[name] for name in Share.__struct_fields__])


async def find_share(connection: AsyncConnection, code: str) -> Share | None:
    row = (await connection.execute(_SHARE.where(shares.c.code == code))).first()
    return Share(*row) if row else None


async def share_of(connection: AsyncConnection, room_id: str) -> Share | None:
    row = (await connection.execute(_SHARE.where(shares.c.room_id == room_id))).first()
    return Share(*row) if row else None


async def add_share(connection: AsyncConnection, share: Share) -> None:
    """Raises IntegrityError for a code that is taken, and for a room that has one."""
    await connection.execute(insert(shares), structs.asdict(share))


async def set_picture(connection: AsyncConnection, code: str, picture_id: str) -> None:
    """Keep the first picture that was made for a code."""
    await connection.execute(
        update(shares)
        .where(shares.c.code == code, shares.c.picture_id.is_(None))
        .values(picture_id=picture_id)
    )
