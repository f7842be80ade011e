"""Whether the database accepts writes: it may answer reads and refuse writes."""

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.engine import lacks_right, refuses_writes, transaction
from livesale.ledger.tables import log_offsets

# No row has -1. A server that refuses writes refuses this statement; any other does nothing:
# no lock, no byte in a log.
_NOTHING = update(log_offsets).where(log_offsets.c["partition"] == -1).values(entries=0)


async def find_refusal(engine: AsyncEngine) -> str:
    """Why the database accepts no write; empty when it accepts one.

    Raises DBAPIError, OSError or TimeoutError if it does not answer. A busy database (SQLite has
    one writer at a time) accepts writes.
    """
    try:
        async with transaction(engine) as connection:
            await connection.execute(_NOTHING)
    except DBAPIError as error:
        if "database is locked" in str(error.orig):
            return ""
        if refuses_writes(error.orig) or lacks_right(error.orig):
            return str(error.orig)
        raise
    return ""
