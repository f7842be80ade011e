"""Lucky bags that hang on a room: while there is one, the room cannot be deleted."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.rooms.bags.tables import bags


async def bag_of_room(connection: AsyncConnection, room_id: str) -> str | None:
    bag_id = await connection.scalar(
        select(bags.c.bag_id).where(bags.c.room_id == room_id).limit(1)
    )
    return f"The lucky bag {bag_id}" if bag_id else None
