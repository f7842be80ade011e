"""Drops that hang on a campaign or a room: while there is one, neither can be deleted."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.tables import drops


async def drop_of_campaign(connection: AsyncConnection, campaign_id: str) -> str | None:
    return await _first(connection, drops.c.campaign_id == campaign_id)


async def drop_of_room(connection: AsyncConnection, room_id: str) -> str | None:
    return await _first(connection, drops.c.room_id == room_id)


async def _first(connection: AsyncConnection, condition: Any) -> str | None:
    drop_id = await connection.scalar(select(drops.c.drop_id).where(condition).limit(1))
    return f"The drop {drop_id}" if drop_id else None
