"""Whether the next entry of a log is of a later version: then the writer waits before it."""

from collections.abc import Mapping

from redis.asyncio import Redis

from stock.entries import why_too_new
from stock.keyspace import Keyspace
from stock.log import LogReader


async def too_new(redis: Redis, keyspace: Keyspace, offsets: Mapping[int, str]) -> dict[int, str]:
    """By partition, why this version cannot read the next entry after SQL's offset, if so.

    Raises redis.exceptions.RedisError.
    """
    found = {}
    for partition, offset in offsets.items():
        for raw in await LogReader(redis, keyspace.log(partition)).between(offset, "+", 1):
            why = why_too_new(*raw)
            if why:
                found[partition] = why
    return found
