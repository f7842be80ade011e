"""The writer through crashes: of itself, of SQL, of Redis. The end state is always the log's."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from livesale.database import engine as database
from livesale.ledger import rows as ledger
from livesale.ledger import tables
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.resources import Deployment
from stock.connection import connect
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    PARTITIONS,
    Crowd,
    open_drop,
    open_stage,
    read_sql,
    running,
    until_written,
    with_writer,
)
from tests.servers import MariaDB, Valkey
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("mortal")  # one fixture of the module for all of them

FOREVER_MS = 3_600_000


@pytest.fixture(scope="module")
def mortal() -> Iterator[MariaDB]:
    """A MariaDB of our own: it will be killed."""
    server = MariaDB()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def mortal_stage(
    mortal: MariaDB, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(
        redis, redis_server.url, mortal.database(), tmp_path, sql__timeout_ms=1_000
    ) as stage:
        yield with_writer(stage, trim_every_ms=FOREVER_MS)


async def _entries(stage: Deployment) -> int:
    async with database.transaction(stage.sql, write=False) as connection:
        places = [await ledger.position(connection, number) for number in range(PARTITIONS)]
    return sum(place.entries for place in places if place is not None)


async def _assert_sql_is_the_log(stage: Deployment) -> None:
    fold = await fold_of(stage)
    assert await found(stage) == expected(fold)
    assert await ledger_sums(stage) == fold.books
    assert (await read_sql(stage))["quarantine"] == []


@pytest.mark.parametrize(
    ("stage", "kills"),
    [
        ("mariadb_url", 1),
        pytest.param("mariadb_url", 3, marks=pytest.mark.soak),
        pytest.param("sqlite_url", 1, marks=pytest.mark.soak),
    ],
    indirect=["stage"],
)
async def test_kill_9_of_the_writer_changes_nothing(
    stage: Deployment, kills: int, redis_server: Valkey, tmp_path: Path
) -> None:
    # given a long log
    chance = random.Random(5)
    crowd = Crowd(stage, [await open_drop(stage, hold_ms=30) for _ in range(3)])
    await crowd.act(700)
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    # when writers are killed in the middle of it, again and again, while more is sold
    for _ in range(kills):
        before = await _entries(stage)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.livesale.ledger.writer_process"),
            *(redis_server.url, stage.settings.sql.url, str(tmp_path)),
        )

        async def moved(before: int = before) -> bool:
            return await _entries(stage) > before

        await until(moved)
        await asyncio.sleep(chance.uniform(0, 0.03))
        process.kill()
        await process.wait()
        await crowd.act(50)
    halfway = await _entries(stage)
    async with running(Writer(stage)):
        await until_written(stage)
    # then the last one ends with every entry in SQL, once
    assert 0 < halfway < await _entries(stage)
    await _assert_sql_is_the_log(stage)


async def test_a_sql_server_killed_under_load(mortal_stage: Deployment, mortal: MariaDB) -> None:
    # given a writer at work
    stage, registry = mortal_stage, CollectorRegistry()
    crowd = Crowd(stage, [await open_drop(stage) for _ in range(3)])
    writer = Writer(stage, registry)
    async with running(writer):
        await crowd.act(100)
        # when SQL is killed, the sale goes on, and the writer says that it waits
        mortal.kill()
        await crowd.act(200)

        def waiting() -> bool:
            return not writer.healthy

        await until(waiting)
        assert registry.get_sample_value("livesale_writer_sql_up") == 0
        assert any(status.last_error for status in writer.status())
        mortal.start()
        await crowd.act(100)
        # then it goes on by itself
        await until_written(stage)

        def well() -> bool:
            return writer.healthy

        await until(well)
    assert registry.get_sample_value("livesale_writer_sql_up") == 1
    await _assert_sql_is_the_log(stage)
    assert [check for check in await audit(stage) if not check.ok] == []


async def test_a_sql_server_that_hangs(mortal_stage: Deployment, mortal: MariaDB) -> None:
    # given a writer at work
    stage = mortal_stage
    crowd = Crowd(stage, [await open_drop(stage) for _ in range(2)])
    writer = Writer(stage)
    async with running(writer):
        await crowd.act(50)
        # when SQL answers nothing for longer than the timeout
        os.kill(mortal.pid, signal.SIGSTOP)
        try:
            await crowd.act(50)

            def waiting() -> bool:
                return PartitionState.BACKING_OFF in {s.state for s in writer.status()}

            await until(waiting)
        finally:
            os.kill(mortal.pid, signal.SIGCONT)
        # then nothing was lost and nothing is there twice
        await until_written(stage)
    await _assert_sql_is_the_log(stage)


async def test_redis_killed_under_load(stage: Deployment, redis_server: Valkey) -> None:
    # given a writer at work
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    crowd = Crowd(stage, [await open_drop(stage) for _ in range(2)])
    writer = Writer(stage)
    async with running(writer):
        await crowd.act(100)
        # when Redis is killed and comes back
        redis_server.kill()

        def waiting() -> bool:
            return not writer.healthy

        await until(waiting)
        redis_server.start()
        await connect(redis_server.url).ping()
        await crowd.act(100)
        # then the writer goes on by itself
        await until_written(stage)
    await _assert_sql_is_the_log(stage)


async def test_stopping_waits_for_nothing(stage: Deployment) -> None:
    # given a writer that waits for an empty log, and one whose Redis is away
    await open_drop(stage)
    stop = asyncio.Event()
    task = asyncio.create_task(Writer(stage).run(stop))
    await until_written(stage)
    # when it is told to stop, then it does, and leaves no task behind
    before = len(asyncio.all_tasks())
    stop.set()
    await asyncio.wait_for(task, 5)
    assert len(asyncio.all_tasks()) < before


async def test_a_lock_that_somebody_else_holds(mortal_stage: Deployment, mortal: MariaDB) -> None:
    # given a session that locks the offsets and does not go
    stage, registry = mortal_stage, CollectorRegistry()
    crowd = Crowd(stage, [await open_drop(stage) for _ in range(2)])
    await crowd.act(30)
    writer, stop = Writer(stage, registry), asyncio.Event()
    async with stage.sql.connect() as other:
        await other.execute(tables.log_offsets.select().with_for_update())
        # when a writer waits for it in vain
        task = asyncio.create_task(writer.run(stop))

        def waiting() -> bool:
            return PartitionState.BACKING_OFF in {status.state for status in writer.status()}

        await until(waiting)
        assert (await read_sql(stage))["orders"] == []
        await other.rollback()
    # then it writes everything when the lock is gone
    await until_written(stage)
    stop.set()
    await task
    faults = registry.get_sample_value("livesale_writer_faults_total", {"of": "sql"})
    assert faults is not None
    assert faults >= 1
    await _assert_sql_is_the_log(stage)
