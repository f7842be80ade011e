"""Opening a deployment: what is made, and every reason to refuse."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, select, update

from livesale.database.engine import transaction
from livesale.database.schema import migrate
from livesale.deployment import startup
from livesale.deployment.opening import open_deployment, open_sql
from livesale.errors import Refused
from livesale.ledger.tables import drops, log_offsets
from livesale.ledger.writer import Writer
from livesale.payments.keeper import Keeper
from livesale.settings import Settings, load_settings
from stock.errors import ServerRefuses
from stock.keyspace import Keyspace
from stock.model import DropTerms, OpenCode
from tests.livesale.stage import running
from tests.servers import MariaDB, Valkey

PARTITIONS = 2
KEYSPACE = Keyspace(PARTITIONS)
DROP = "d0"
TERMS = DropTerms(
    opens_ms=0, closes_ms=9_000_000_000_000, hold_ms=1000, buyer_limit=1, price_fen=1, allotted=10
)


@pytest.fixture
async def settings(redis: Redis, redis_server: Valkey, sqlite_url: str) -> Settings:
    """An empty Redis and an empty, migrated database."""
    made = load_settings(
        redis__url=redis_server.url, sql__url=sqlite_url, stock__partitions=PARTITIONS
    )
    async with open_sql(made) as sql:
        await migrate(sql)
    return made


@pytest.fixture
async def config(redis: Redis) -> AsyncIterator[Redis]:
    """The client, for a test that changes the server's configuration."""
    names = ("maxmemory-policy", "appendonly", "appendfsync")
    before = await redis.config_get(*names)
    yield redis
    for name, value in before.items():
        await redis.config_set(name, value)
    await redis.replicaof("NO", "ONE")


async def refusal(settings: Settings) -> Refused:
    with pytest.raises(Refused) as caught:
        async with open_deployment(settings, role="test"):
            pass
    assert caught.value.cure
    return caught.value


async def change_offsets(settings: Settings, **values: Any) -> None:
    async with open_sql(settings) as sql, transaction(sql) as connection:
        await connection.execute(update(log_offsets).values(**values))


async def add_drop(settings: Settings, state: str) -> None:
    row = {
        "drop_id": DROP,
        "campaign_id": "c",
        "sku_id": "s",
        "partition": KEYSPACE.partition_of(DROP),
        "state": state,
        **{name: getattr(TERMS, name) for name in TERMS.__struct_fields__},
        "created_ms": 0,
    }
    async with open_sql(settings) as sql, transaction(sql) as connection:
        await connection.execute(insert(drops), [row])


async def sell(settings: Settings) -> str:
    """Open a drop as operators, the writer as far as it goes: the log's last id is in SQL."""
    await add_drop(settings, "open")
    async with open_deployment(settings, role="test") as deployment:
        assert await deployment.engine.open_drop(DROP, TERMS) is OpenCode.OPENED
        snapshot = await deployment.engine.snapshot(DROP)
        assert snapshot is not None
        async with transaction(deployment.sql) as connection:
            await connection.execute(
                update(log_offsets)
                .where(log_offsets.c.partition == KEYSPACE.partition_of(DROP))
                .values(offset=snapshot.log_id, entries=1)
            )
        return snapshot.log_id


async def claim(settings: Settings) -> None:
    async with open_deployment(settings, role="test"):
        pass


async def test_a_new_deployment_is_claimed_once(settings: Settings, redis: Redis) -> None:
    # when several processes start at the same time
    await asyncio.gather(*(claim(settings) for _ in range(4)))
    # then Redis and SQL agree on every partition
    async with open_deployment(settings, role="test") as deployment:
        assert deployment.epochs == {0: 1, 1: 1}
        async with deployment.sql.connect() as connection:
            columns = (log_offsets.c.partition, log_offsets.c.epoch, log_offsets.c.offset)
            rows = (await connection.execute(select(*columns))).all()
        assert sorted(map(tuple, rows)) == [(0, 1, "0-0"), (1, 1, "0-0")]
        assert await redis.mget(KEYSPACE.epoch(0), KEYSPACE.epoch(1)) == ["1", "1"]
        # and this process can sell
        assert await deployment.engine.open_drop(DROP, TERMS) is OpenCode.OPENED


async def test_everything_embedded_survives_a_restart(tmp_path: Any) -> None:
    settings = load_settings(data_dir=tmp_path, stock__partitions=PARTITIONS)
    async with open_deployment(settings, role="test") as deployment:
        assert await deployment.engine.open_drop(DROP, TERMS) is OpenCode.OPENED
    async with open_deployment(settings, role="test") as deployment:
        snapshot = await deployment.engine.snapshot(DROP)
        assert snapshot is not None
        assert snapshot.available == 10


async def test_a_running_deployment_can_be_joined(settings: Settings) -> None:
    await claim(settings)
    await sell(settings)
    async with open_deployment(settings, role="test") as deployment:
        assert deployment.epochs == {0: 1, 1: 1}


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_eviction_is_refused(settings: Settings, config: Redis, policy: str) -> None:
    await config.config_set("maxmemory-policy", policy)
    refused = await refusal(settings)
    assert policy in refused.problem
    assert "noeviction" in refused.cure


@pytest.mark.parametrize(
    ("name", "value"), [("appendfsync", "everysec"), ("appendfsync", "no"), ("appendonly", "no")]
)
async def test_weaker_durability_than_asked_is_refused(
    settings: Settings, config: Redis, name: str, value: str
) -> None:
    await config.config_set(name, value)
    refused = await refusal(settings)
    assert refused.setting == "LIVESALE__REDIS__DURABILITY"
    assert f"{name} {value}" in refused.problem
    # but it is enough where nothing is asked for
    await claim(
        load_settings(
            redis={"url": settings.redis.url, "durability": "none"},
            sql__url=settings.sql.url,
            stock__partitions=PARTITIONS,
        )
    )


async def test_a_replica_is_refused(settings: Settings, config: Redis) -> None:
    await config.replicaof("127.0.0.1", 1)
    assert "replica" in (await refusal(settings)).problem


async def test_a_server_that_is_too_old_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "OLDEST_REDIS", (99, 0))
    assert "too old" in (await refusal(settings)).problem


async def test_a_user_that_may_not_read_the_configuration_is_refused(
    settings: Settings, redis: Redis, redis_server: Valkey
) -> None:
    await redis.execute_command("ACL", "SETUSER", "shop", "on", ">pw", "~*", "+@all", "-config")
    try:
        url = f"unix://shop:pw@{redis_server.socket}"
        assert "CONFIG GET" in (await refusal(with_redis(settings, url))).cure
        wrong = await refusal(with_redis(settings, url.replace("pw@", "no@")))
        assert "password" in wrong.cure
    finally:
        await redis.execute_command("ACL", "DELUSER", "shop")


async def test_another_number_of_partitions_is_refused(settings: Settings) -> None:
    await claim(settings)
    other = load_settings(
        redis__url=settings.redis.url, sql__url=settings.sql.url, stock__partitions=3
    )
    refused = await refusal(other)
    assert refused.setting == "LIVESALE__STOCK__PARTITIONS"
    assert "Set it to 2" in refused.cure


async def test_a_lost_redis_is_refused(settings: Settings, redis: Redis) -> None:
    # given a deployment that has sold, and a Redis that forgot everything
    await claim(settings)
    await sell(settings)
    await redis.flushall()
    # when
    refused = await refusal(settings)
    # then nothing was written into it
    assert refused.setting == "LIVESALE__REDIS__URL"
    assert "lost" in refused.problem
    assert "livesale recover" in refused.cure
    assert await redis.get(KEYSPACE.epoch(KEYSPACE.partition_of(DROP))) is None


@pytest.mark.parametrize("state", ["opening", "open", "closed"])
async def test_a_drop_beyond_draft_makes_an_empty_redis_a_lost_one(
    settings: Settings, redis: Redis, state: str
) -> None:
    # given a drop that Redis may have known, although the writer has seen nothing of it
    await claim(settings)
    await add_drop(settings, state)
    await redis.flushall()
    assert "lost" in (await refusal(settings)).problem


async def test_an_empty_redis_that_never_sold_is_claimed_again(
    settings: Settings, redis: Redis
) -> None:
    await claim(settings)
    await add_drop(settings, "draft")
    await redis.flushall()
    await claim(settings)
    assert await redis.mget(KEYSPACE.epoch(0), KEYSPACE.epoch(1)) == ["1", "1"]


async def test_a_redis_older_than_sql_is_refused(settings: Settings) -> None:
    # given SQL that holds one entry more than this copy of Redis ever had
    await claim(settings)
    log_id = await sell(settings)
    ms, _, seq = log_id.partition("-")
    await change_offsets(settings, offset=f"{ms}-{int(seq) + 1}")
    refused = await refusal(settings)
    assert "older than SQL" in refused.problem
    assert "livesale recover" in refused.cure


async def test_another_epoch_is_refused(settings: Settings, redis: Redis) -> None:
    await claim(settings)
    await change_offsets(settings, epoch=2)
    behind = await refusal(settings)
    assert (behind.setting, "old copy" in behind.problem) == ("LIVESALE__REDIS__URL", True)
    await redis.set(KEYSPACE.epoch(0), 3)
    await redis.set(KEYSPACE.epoch(1), 3)
    ahead = await refusal(settings)
    assert (ahead.setting, "old copy" in ahead.problem) == ("LIVESALE__SQL__URL", True)


async def test_a_database_that_misses_trimmed_entries_is_refused(
    settings: Settings, redis: Redis
) -> None:
    # given a log that was trimmed behind an offset, and a database from before it
    await claim(settings)
    await sell(settings)
    await redis.xtrim(KEYSPACE.log(KEYSPACE.partition_of(DROP)), maxlen=0, approximate=False)
    await change_offsets(settings, offset="0-0", entries=0)
    refused = await refusal(settings)
    assert refused.setting == "LIVESALE__SQL__URL"
    assert "1 entries" in refused.problem


async def test_a_new_database_beside_a_used_redis_is_refused(
    settings: Settings, redis: Redis
) -> None:
    await redis.set(KEYSPACE.epoch(1), 1)
    refused = await refusal(settings)
    assert refused.setting == "LIVESALE__SQL__URL"
    async with open_sql(settings) as sql, sql.connect() as connection:
        assert (await connection.execute(select(log_offsets))).all() == []


async def test_tables_that_are_missing_are_refused(
    redis: Redis, redis_server: Valkey, sqlite_url: str, mariadb_url: str
) -> None:
    for url in (sqlite_url, mariadb_url):
        settings = load_settings(redis__url=redis_server.url, sql__url=url)
        refused = await refusal(settings)
        assert refused.setting == "LIVESALE__SQL__URL"
        assert "livesale migrate" in refused.cure


async def test_a_deployment_on_mariadb(
    redis: Redis, redis_server: Valkey, mariadb_url: str, mariadb_server: MariaDB
) -> None:
    settings = load_settings(
        redis__url=redis_server.url, sql__url=mariadb_url, stock__partitions=PARTITIONS
    )
    async with open_sql(settings) as sql:
        await migrate(sql)
    await asyncio.gather(*(claim(settings) for _ in range(3)))
    await sell(settings)
    # and a server whose commits are not on disk is refused
    mariadb_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        assert "innodb_flush_log_at_trx_commit is 2" in (await refusal(settings)).problem
    finally:
        mariadb_server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("redis://127.0.0.1:1/0", "LIVESALE__REDIS__URL"),
        ("unix:///nowhere/redis.sock", "LIVESALE__REDIS__URL"),
        ("mysql://root:hunter2@127.0.0.1:1/livesale", "LIVESALE__SQL__URL"),
        ("mysql://127.0.0.1", "LIVESALE__SQL__URL"),
        ("sqlite://", "LIVESALE__SQL__URL"),
        ("sqlite:////proc/nowhere/x.sqlite3", "LIVESALE__SQL__URL"),
    ],
)
async def test_a_store_that_is_not_there_is_refused(
    settings: Settings, url: str, setting: str
) -> None:
    is_redis = url.startswith(("redis", "unix"))
    made = load_settings(
        redis__url=url if is_redis else settings.redis.url,
        sql__url=settings.sql.url if is_redis else url,
        stock__partitions=PARTITIONS,
    )
    refused = await refusal(made)
    assert refused.setting == setting
    assert "hunter2" not in str(refused)


def with_redis(settings: Settings, url: str) -> Settings:
    return load_settings(redis__url=url, sql__url=settings.sql.url, stock__partitions=PARTITIONS)


@pytest.fixture
async def full(settings: Settings, config: Redis) -> AsyncIterator[Redis]:
    """A deployment that was started once, and a Redis that is full since."""
    async with open_deployment(settings, role="before"):
        pass
    await config.config_set("maxmemory", 1)
    yield config
    await config.config_set("maxmemory", 0)


async def test_a_full_redis_keeps_no_process_from_starting(settings: Settings, full: Redis) -> None:
    await full.script_flush()
    async with open_deployment(settings, role="test") as deployment:
        # then all roles work, as far as nothing must be written
        assert deployment.epochs == dict.fromkeys(range(PARTITIONS), 1)
        async with running(Writer(deployment)), running(Keeper(deployment)):
            with pytest.raises(ServerRefuses):
                await deployment.engine.open_drop(DROP, TERMS)
            assert await deployment.engine.snapshot(DROP) is None
            # when there is memory again, then everything goes on by itself
            await full.config_set("maxmemory", 0)
            assert await deployment.engine.open_drop(DROP, TERMS) is OpenCode.OPENED


async def test_a_full_redis_takes_no_new_deployment(settings: Settings, config: Redis) -> None:
    await config.config_set("maxmemory", 1)
    try:
        refused = await refusal(settings)
    finally:
        await config.config_set("maxmemory", 0)
    assert refused.setting == "LIVESALE__REDIS__URL"
    assert "full" in refused.problem
    assert "maxmemory" in refused.cure
