"""Reminders that wait for a room or a drop: while there is one, neither can be deleted."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.reminders.store import DROP, HOLD, ROOM, SENDING, WAITING
from livesale.reminders.tables import reminders


async def reminder_of_room(connection: AsyncConnection, room_id: str) -> str | None:
    return await _first(connection, ROOM, room_id)


async def reminder_of_drop(connection: AsyncConnection, drop_id: str) -> str | None:
    waits = await _first(connection, DROP, drop_id)
    return waits or await _first(connection, HOLD, drop_id)


async def _first(connection: AsyncConnection, kind: str, target_id: str) -> str | None:
    query = select(reminders.c.target_id).where(
        reminders.c.kind == kind,
        reminders.c.target_id == target_id,
        reminders.c.state.in_((WAITING, SENDING)),
    )
    found = await connection.scalar(query.limit(1))
    return "A buyer who waits for a reminder" if found else None
