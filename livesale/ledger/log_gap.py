"""Whether a log continues from SQL's offset. A Redis older than SQL must not be written."""

from redis.asyncio import Redis

from livesale.ledger.rows import Position
from stock.ids import START, id_key
from stock.log import LogReader


async def find_gap(redis: "Redis", log: LogReader, position: Position) -> str:
    """Why the log does not continue from the offset; empty if it does.

    The writer trims up to the offset and keeps its entry: a log that is older than SQL, or of
    another Redis, lacks that entry, even if it has newer ones.
    """
    info = await log.info()
    if id_key(info.last_id) < id_key(position.offset):
        return f"the log ends at {info.last_id}, SQL holds it up to {position.offset}"
    if info.entries_added < position.entries:
        return f"the log had {info.entries_added} entries, SQL holds {position.entries}"
    if info.entries_added - info.length == position.entries:
        return ""  # only entries that SQL holds were removed: also for an empty log
    if position.offset == START:
        if info.entries_added == info.length:
            return ""
        return f"entries before {info.first_id} have been removed, SQL holds none"
    if await redis.xrange(log.key, position.offset, position.offset):
        return ""
    return f"the log does not have {position.offset}, the offset of SQL"
