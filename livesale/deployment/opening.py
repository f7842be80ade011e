"""Opens the parts that all roles share, in order, and compares the stores before use."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.database.schema import migrate, progress
from livesale.deployment.embedded import embedded_redis
from livesale.deployment.embedded_cluster import adapt, embedded_cluster, plan_of
from livesale.deployment.partitions import check_partitions, claim_partitions
from livesale.deployment.scripts import ScriptLoader
from livesale.deployment.startup import (
    SQL_URL,
    check_groups,
    check_redis,
    check_replicas,
    check_sql,
    find_shards,
    unreachable_redis,
)
from livesale.deployment.watchman import Watchman
from livesale.errors import Refused
from livesale.resources import Deployment
from livesale.settings import Settings
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.hosts import with_name
from stock.keyspace import Keyspace


@asynccontextmanager
async def open_deployment(
    settings: Settings, *, role: str, redis_connections: int | None = None
) -> AsyncIterator[Deployment]:
    """Open the stores, start the embedded ones, check everything, close it all at the end.

    `role` is this process's client name in Redis. Raises Refused if a store cannot be reached or
    would break a promise.
    """
    settings = adapt(settings)
    async with AsyncExitStack() as stack:
        redis, redis_url = await stack.enter_async_context(
            open_redis(settings, role=role, connections=redis_connections)
        )
        sql = await stack.enter_async_context(open_sql(settings))
        keyspace = Keyspace(settings.stock.partitions)
        shards = await find_shards(redis, keyspace)
        replicas = settings.redis.replicas if settings.redis.durability == "replicated" else 0
        server_ids = []
        for shard in shards:
            server_ids.append(str((await _about(shard.redis))["run_id"]))
            await check_redis(shard.redis, settings.redis.durability)
            await check_replicas(
                shard.redis,
                replicas,
                durability=settings.redis.durability,
                url=redis_url,
            )
        await check_groups(shards, redis_url)
        await check_sql(sql, settings.redis.durability)
        await prepare_schema(settings, sql)
        await claim_partitions(redis, sql, keyspace)
        epochs = await check_partitions(redis, sql, keyspace)
        engine = RedisEngine(
            redis, keyspace, epochs, replicas=replicas, wait_ms=settings.redis.wait_ms
        )
        for server_id, shard in zip(server_ids, shards, strict=True):
            engine.approve(server_id, shard.partitions)
        await ScriptLoader(settings, redis).load_or_wait()
        deployment = Deployment(settings, redis, redis_url, sql, engine)
        await stack.enter_async_context(Watchman(deployment).watching())
        yield deployment


async def _about(redis: Redis) -> dict[str, Any]:
    try:
        return dict(await redis.info("server"))
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None


@asynccontextmanager
async def open_redis(
    settings: Settings, *, role: str, connections: int | None = None
) -> AsyncIterator[tuple[Redis, str]]:
    """An unchecked client and its URL; starts the embedded server if the settings use it."""
    async with AsyncExitStack() as stack:
        url = settings.redis.url
        if url == "embedded":
            plan = plan_of(settings.data_dir)
            embedded = (
                embedded_cluster(settings.data_dir, plan)
                if plan
                else embedded_redis(settings.data_dir)
            )
            url = await stack.enter_async_context(embedded)
        redis = connect(
            with_name(url, f"livesale-{role}"),
            connections=connections or settings.redis.connections,
            timeout_s=settings.redis.timeout_ms / 1000,
        )
        stack.push_async_callback(redis.aclose)
        yield redis, url


@asynccontextmanager
async def open_sql(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An unchecked engine. Raises Refused for an invalid URL."""
    try:
        sql = database.connect(
            settings.sql.url,
            settings.data_dir,
            settings.sql.connections,
            timeout_ms=settings.sql.timeout_ms,
        )
    except (ValueError, ArgumentError) as error:
        raise Refused(SQL_URL, str(error), "Use mysql://user:password@host/database.") from None
    except OSError as error:
        problem = f"cannot make the folder {error.filename}: {error.strerror}"
        raise Refused(SQL_URL, problem, "Use another one, or another LIVESALE__DATA_DIR.") from None
    try:
        yield sql
    finally:
        await sql.dispose()


async def prepare_schema(settings: Settings, sql: AsyncEngine) -> None:
    """Migrate the embedded database; refuse any other that is not migrated."""
    if settings.sql.url == "embedded":
        await migrate(sql)
        return
    found = await progress(sql)
    if not found.is_head:
        raise Refused(SQL_URL, *found.explain())
