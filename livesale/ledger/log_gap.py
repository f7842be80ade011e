"""Whether a log continues from SQL's offset. A Redis older than SQL must not be written."""

from redis.asyncio import Redis

from livesale.ledger.rows import Position
from stock.ids import START, id_key
from stock.log import LogReader


async def find_gap(redis: "Redis", log: LogReader, position: Position) -> str:
    """Why the log does not continue from the offset, or nothing.

    The writer trims up to the offset and leaves its entry there: in a log that is older than
    SQL, or of another Redis, that entry is missing, even when new ones have come since.
    """
    info = await log.info()
    if id_key(info.last_id) < id_key(position.offset):
        return f"the log ends at {info.last_id}, SQL holds it up to {position.offset}"
    if info.entries_added < position.entries:
        return f"the log had {info.entries_added} entries, SQL holds {position.entries}"
    if info.entries_added - info.length == position.entries:
        return ""  # what has been removed is what SQL holds: also for a log that is empty
    if position.offset == START:
        if info.entries_added == info.length:
            return ""
        return f"entries before {info.first_id} have been removed, SQL holds none"
    if await redis.xrange(log.key, position.offset, position.offset):
        return ""
    return f"the log does not have {position.offset}, the offset of SQL"
