"""Profiles of buyers. Queries only; each takes a connection."""

from collections.abc import Collection

from msgspec import Struct, structs
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.identity.profiles.tables import profiles


class ProfileRow(Struct, frozen=True):
    """A row of `profiles`."""

    buyer_id: str
    nickname: str | None
    avatar_url: str | None
    changed_ms: int


_PROFILE = select(*[profiles.c[name] for name in ProfileRow.__struct_fields__])


async def find_profile(
    connection: AsyncConnection, buyer_id: str, *, lock: bool = False
) -> ProfileRow | None:
    query = _PROFILE.where(profiles.c.buyer_id == buyer_id)
    found = (await connection.execute(query.with_for_update() if lock else query)).first()
    return ProfileRow(*found) if found else None


async def find_profiles(
    connection: AsyncConnection, buyer_ids: Collection[str]
) -> dict[str, ProfileRow]:
    """Those that there are, by buyer."""
    query = _PROFILE.where(profiles.c.buyer_id.in_(buyer_ids))
    rows = [ProfileRow(*row) for row in await connection.execute(query)]
    return {row.buyer_id: row for row in rows}


async def add_profile(connection: AsyncConnection, row: ProfileRow) -> None:
    await connection.execute(insert(profiles), structs.asdict(row))


async def put_profile(connection: AsyncConnection, row: ProfileRow) -> None:
    """Replace a profile that is there."""
    values = structs.asdict(row)
    await connection.execute(
        update(profiles).where(profiles.c.buyer_id == values.pop("buyer_id")).values(**values)
    )


async def remove_profile(connection: AsyncConnection, buyer_id: str) -> None:
    await connection.execute(delete(profiles).where(profiles.c.buyer_id == buyer_id))
