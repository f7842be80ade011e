"""Opens a deployment whose stores do not match, to repair it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from livesale.deployment.embedded_cluster import adapt
from livesale.deployment.opening import open_redis, open_sql, prepare_schema
from livesale.deployment.partitions import check_number
from livesale.deployment.startup import check_groups, check_redis, check_sql, find_shards
from livesale.resources import Deployment
from livesale.settings import Settings
from stock.gateway import RedisEngine
from stock.keyspace import Keyspace

SQL_TIMEOUT_MS = 600_000  # the rest of a log may be one large transaction


@asynccontextmanager
async def open_for_recovery(settings: Settings) -> AsyncIterator[Deployment]:
    """Raises Refused if a store cannot be reached or is not durable.

    No partition has an epoch in this process, so its engine can only read.
    """
    patient = settings.sql.model_copy(update={"timeout_ms": SQL_TIMEOUT_MS})
    settings = adapt(settings.model_copy(update={"sql": patient}))
    async with AsyncExitStack() as stack:
        redis, redis_url = await stack.enter_async_context(
            open_redis(settings, role="recover", connections=4)
        )
        sql = await stack.enter_async_context(open_sql(settings))
        keyspace = Keyspace(settings.stock.partitions)
        shards = await find_shards(redis, keyspace)
        for shard in shards:
            await check_redis(shard.redis, settings.redis.durability)
        await check_groups(shards, redis_url)
        await check_sql(sql, settings.redis.durability)
        await prepare_schema(settings, sql)
        await check_number(sql, keyspace)
        engine = RedisEngine(redis, keyspace, {})
        yield Deployment(settings, redis, redis_url, sql, engine)
