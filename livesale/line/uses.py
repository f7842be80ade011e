"""What hangs on a drop: its line."""

from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.line.store import find_line


async def line_of_drop(connection: AsyncConnection, drop_id: str) -> str | None:
    return "A line" if await find_line(connection, drop_id) else None
