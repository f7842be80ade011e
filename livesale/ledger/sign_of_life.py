"""The sign of life of writer and keeper: a key for each partition that they work on, which vanishes
by itself.

Without traffic nothing else says that none of them runs: the log and the due holds wait for nobody.
The key is written only for a partition whose loop has turned lately, so a writer that hangs in SQL
counts as stopped, and so does a keeper whose sweeps fail.
"""

from collections.abc import Iterable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stock.errors import Unreachable
from stock.keyspace import Keyspace

EVERY_S = 0.5
LASTS_MS = 1_200  # who is killed is missed after this time
TURNS_S = 3.0  # a loop that has not turned for so long is stuck; an idle one turns once a second


async def show(redis: Redis, keys: Iterable[str]) -> None:
    """Show that these partitions are worked on. Raises RedisError or OSError."""
    async with redis.pipeline(transaction=False) as together:
        for key in keys:
            together.set(key, "1", px=LASTS_MS)
        await together.execute()


async def take_back(redis: Redis, keys: Iterable[str]) -> None:
    """Who stops says so at once. Raises RedisError or OSError."""
    async with redis.pipeline(transaction=False) as together:
        for key in keys:
            together.unlink(key)
        await together.execute()


async def missing(redis: Redis, keys: Sequence[str]) -> list[int]:
    """The partitions that nobody works on now. Raises Unreachable."""
    try:
        async with redis.pipeline(transaction=False) as together:
            for key in keys:
                together.exists(key)
            found = await together.execute()
    except (RedisError, OSError) as error:
        raise Unreachable(str(error)) from error
    return [partition for partition, there in enumerate(found) if not there]


def keys_of_writers(keyspace: Keyspace) -> list[str]:
    return [keyspace.writer(partition) for partition in range(keyspace.partitions)]


def keys_of_keepers(keyspace: Keyspace) -> list[str]:
    return [keyspace.keeper(partition) for partition in range(keyspace.partitions)]
