"""The writer's sign of life: a key for each partition that it writes, which vanishes by itself.

Without traffic nothing else says that no writer runs: the log waits for nobody. The key is written
only for a partition whose loop has turned lately, so a writer that hangs in SQL counts as stopped.
"""

from collections.abc import Iterable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stock.errors import Unreachable
from stock.keyspace import Keyspace

EVERY_S = 0.5
LASTS_MS = 1_200  # a writer that is killed is missed after this time
TURNS_S = 3.0  # a loop that has not turned for so long is stuck; an idle one turns once a second


async def show(redis: Redis, keyspace: Keyspace, partitions: Iterable[int]) -> None:
    """Show that these partitions are written. Raises RedisError or OSError."""
    async with redis.pipeline(transaction=False) as together:
        for partition in partitions:
            together.set(keyspace.writer(partition), "1", px=LASTS_MS)
        await together.execute()


async def take_back(redis: Redis, keyspace: Keyspace, partitions: Iterable[int]) -> None:
    """A writer that stops says so at once. Raises RedisError or OSError."""
    keys = [keyspace.writer(partition) for partition in partitions]
    async with redis.pipeline(transaction=False) as together:
        for key in keys:
            together.unlink(key)
        await together.execute()


async def unwritten(redis: Redis, keyspace: Keyspace) -> list[int]:
    """The partitions that nobody writes now. Raises Unreachable."""
    try:
        async with redis.pipeline(transaction=False) as together:
            for partition in range(keyspace.partitions):
                together.exists(keyspace.writer(partition))
            found = await together.execute()
    except (RedisError, OSError) as error:
        raise Unreachable(str(error)) from error
    return [partition for partition, there in enumerate(found) if not there]
