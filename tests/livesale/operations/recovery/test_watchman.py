"""Every process notices a Redis that SQL does not belong to, and opens again by itself."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from livesale.deployment import watchman
from livesale.deployment.partitions import look_at
from livesale.deployment.promotion import Promotion
from livesale.deployment.scripts import ScriptLoader
from livesale.deployment.watchman import Watchman
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.telemetry import metrics
from stock.connection import connect
from stock.errors import FencedOff, NotSent, OutcomeUnknown
from stock.ids import random_rid
from stock.model import Attempt, ReserveCode
from tests.livesale.operations.recovery.scenes import Copies, broken, recover, sell, write
from tests.livesale.stage import PARTITIONS, open_drop, reserve, running, until_written
from tests.servers import Valkey
from tests.waiting import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchman, "LOOK_S", 0.05)
    monkeypatch.setattr(watchman, "LONGEST_RETRY_S", 0.25)


@pytest.fixture
async def watched(stage: Deployment) -> AsyncIterator[Deployment]:
    async with Watchman(stage).watching():
        yield stage


def closed_gauge(partition: int) -> float | None:
    labels = {"partition": str(partition)}
    return metrics.REGISTRY.get_sample_value("livesale_partition_closed", labels)


async def until_closed(stage: Deployment, *partitions: int) -> None:
    def closed() -> bool:
        return set(partitions) <= set(stage.closed)

    await until(closed)


async def until_open(stage: Deployment) -> None:
    def opened() -> bool:
        return not stage.closed and all(stage.epochs.values())

    await until(opened)


async def test_scripts_that_are_forgotten_need_no_sql(watched: Deployment) -> None:
    # given a server that was approved, SQL that is away, and a script cache that is empty
    drop_id = await open_drop(watched)
    await watched.sql.dispose()
    database = Path(watched.settings.sql.url.removeprefix("sqlite:///"))
    database.rename(database.with_suffix(".away"))
    await watched.redis.script_flush()
    # then it sells on
    assert len(await reserve(watched, drop_id, ["ann"])) == 1
    database.with_suffix(".away").rename(database)


async def test_scripts_that_are_forgotten_are_loaded_by_the_watchman(watched: Deployment) -> None:
    await watched.redis.script_flush()
    loader = ScriptLoader(watched.settings, watched.redis)

    async def loaded() -> bool:
        return not await loader.missing()

    await until(loaded)


async def test_a_restart_is_looked_at_and_sells_on(
    watched: Deployment, mortal_redis: Valkey
) -> None:
    drop_id = await open_drop(watched)
    rids = await reserve(watched, drop_id, ["ann"])
    before = watched.engine.server_id_of(0)
    mortal_redis.kill()
    mortal_redis.start()
    await sell_one(watched, drop_id)
    assert watched.engine.server_id_of(0) != before
    assert await watched.engine.reservation(rids[0])
    assert watched.epochs == dict.fromkeys(range(PARTITIONS), 1)
    assert await broken(watched) == []


async def test_an_older_copy_sells_nothing_from_its_first_call_on(
    watched: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy that lacks what was sold since
    drop_id = await open_drop(watched, allotted=2)
    await write(watched)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    rids = await reserve(watched, drop_id, ["ann", "bob"])
    await write(watched)
    keeper, writer = Keeper(watched), Writer(watched)
    async with running(keeper), running(writer):
        # when it is put back under running processes
        await copies.put_back(watched.redis)
        # then not one unit of it is sold
        attempt = [Attempt(random_rid(drop_id), "eve")]
        assert (await watched.engine.reserve(drop_id, attempt)).outcomes[0].code is (
            ReserveCode.FENCED
        )
        partition = watched.keyspace.partition_of(drop_id)
        assert "older than SQL" in watched.closed[partition]
        assert closed_gauge(partition) == 1

        # and every role says so
        def said() -> bool:
            state = writer.status()[partition].state
            ill = state in (PartitionState.FENCED, PartitionState.REDIS_OLDER)
            return ill and "older" in keeper.faults().get(partition, "")

        await until(said)
        # and after the recovery all go on by themselves
        assert len(await recover(watched)) == 1
        await until_open(watched)
        assert closed_gauge(partition) == 0
        code = (await watched.engine.reserve(drop_id, attempt)).outcomes[0].code
        assert code is ReserveCode.SOLD_OUT
        assert [bool(await watched.engine.reservation(rid)) for rid in rids] == [True, True]
        await until_written(watched)

        def well() -> bool:
            return writer.healthy and keeper.healthy

        await until(well)
    assert await broken(watched) == []


async def test_a_redis_emptied_under_load_sells_nothing_until_it_is_recovered(
    watched: Deployment, client: Redis
) -> None:
    # given a crowd that buys, and all roles at work
    drop_ids = [await open_drop(watched, allotted=5_000, buyer_limit=1_000) for _ in range(4)]
    await write(watched)  # a drop of whose opening SQL knows nothing has to be opened again
    held: list[str] = []
    codes: list[ReserveCode] = []
    stop = asyncio.Event()

    async def buy(drop_id: str) -> None:
        while not stop.is_set():
            attempt = Attempt(random_rid(drop_id), "ann")
            outcome = (await watched.engine.reserve(drop_id, [attempt])).outcomes[0]
            codes.append(outcome.code)
            if outcome.code is ReserveCode.HELD:
                held.append(attempt.rid)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks, running(Writer(watched)), running(Keeper(watched)):
        for drop_id in drop_ids:
            tasks.create_task(buy(drop_id))
        await asyncio.sleep(0.3)
        # when Redis is emptied
        await client.flushall()
        await until_closed(watched, 0, 1)
        count = len(held)
        codes.clear()
        await asyncio.sleep(0.3)
        # then nothing is sold
        assert set(codes) == {ReserveCode.FENCED}
        assert len(held) == count
        # and after the recovery it goes on without a restart
        await recover(watched)
        await until_open(watched)

        def selling() -> bool:
            return len(held) > count + 50

        await until(selling)
        stop.set()
    assert await broken(watched) == []
    snapshots = [await watched.engine.snapshot(drop_id) for drop_id in drop_ids]
    assert all(s and s.held + s.available == 5_000 for s in snapshots)


async def test_nothing_is_sold_by_another_server_while_sql_is_away(
    watched: Deployment, mortal_redis: Valkey
) -> None:
    drop_id = await open_drop(watched)
    await watched.sql.dispose()
    database = Path(watched.settings.sql.url.removeprefix("sqlite:///"))
    away = database.with_suffix(".away")
    database.rename(away)
    database.mkdir()  # so that it cannot be made anew
    mortal_redis.kill()
    mortal_redis.start()
    await watched.redis.connection_pool.disconnect()
    with pytest.raises(FencedOff, match="cannot be compared"):
        await reserve(watched, drop_id, ["ann"])
    assert set(watched.closed) == set(range(PARTITIONS))
    # when SQL is back, then it opens by itself
    database.rmdir()
    away.rename(database)
    await until_open(watched)
    assert len(await reserve(watched, drop_id, ["ann"])) == 1


async def test_a_server_that_is_less_durable_is_not_used(
    watched: Deployment, mortal_redis: Valkey
) -> None:
    drop_id = await open_drop(watched)
    mortal_redis.kill()
    durable, mortal_redis.options = mortal_redis.options, ("--appendfsync", "everysec")
    mortal_redis.start()
    mortal_redis.options = durable
    await watched.redis.connection_pool.disconnect()
    with pytest.raises(FencedOff, match="everysec"):
        await reserve(watched, drop_id, ["ann"])
    # when an operator mends it, then it opens
    await watched.redis.config_set("appendfsync", "always")
    await until_open(watched)
    assert len(await reserve(watched, drop_id, ["ann"])) == 1


async def test_an_epoch_that_rose_is_adopted(watched: Deployment) -> None:
    # given a partition that was recovered behind this process's back
    await sell(watched, 30)
    await write(watched)
    await watched.redis.delete(watched.keyspace.epoch(0))
    await recover(watched)

    def adopted() -> bool:
        return watched.epochs == {0: 2, 1: 1} and not watched.closed

    await until(adopted)
    assert await broken(watched) == []


class TestTheFile:
    """What happens to an AOF when the power goes or a disk tears a write."""

    @pytest.fixture
    def aof(self, mortal_redis: Valkey) -> Path:
        return mortal_redis.folder / "appendonlydir"

    async def test_power_loss_loses_nothing_acknowledged(
        self, watched: Deployment, mortal_redis: Valkey, aof: Path
    ) -> None:
        # given the size of the file at the last fsync, which came before the last answer
        drop_id = await open_drop(watched)
        rids = await reserve(watched, drop_id, ["ann", "bob"])
        (log,) = aof.glob("*.incr.aof")
        synced = log.stat().st_size
        mortal_redis.kill()
        with log.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1")  # a write that was never synced
        os.truncate(log, synced)
        mortal_redis.start()
        await sell_one(watched, drop_id)
        assert all([await watched.engine.reservation(rid) for rid in rids])
        assert await broken(watched) == []

    async def test_a_torn_tail_loses_only_what_was_not_acknowledged(
        self, watched: Deployment, mortal_redis: Valkey, aof: Path
    ) -> None:
        # given a last record that is cut in the middle, by as much as nobody was answered
        drop_id = await open_drop(watched)
        rids = await reserve(watched, drop_id, ["ann", "bob"])
        (log,) = aof.glob("*.incr.aof")
        mortal_redis.kill()
        with log.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1")
        mortal_redis.start()
        await sell_one(watched, drop_id)
        assert all([await watched.engine.reservation(rid) for rid in rids])
        assert await broken(watched) == []

    async def test_a_tail_that_sql_had_and_redis_lost_closes_the_partition(
        self, watched: Deployment, mortal_redis: Valkey, aof: Path
    ) -> None:
        # given a disk that lied: the last record, which SQL has, is cut in the middle
        drop_id = await open_drop(watched)
        rids = await reserve(watched, drop_id, ["ann", "bob"])
        await write(watched)
        (log,) = aof.glob("*.incr.aof")
        mortal_redis.kill()
        os.truncate(log, log.stat().st_size - 20)
        mortal_redis.start()
        await until_closed(watched, watched.keyspace.partition_of(drop_id))
        await recover(watched)
        await until_open(watched)
        assert all([await watched.engine.reservation(rid) for rid in rids])
        assert await broken(watched) == []


async def sell_one(stage: Deployment, drop_id: str) -> None:
    """Sell a unit as soon as the server is there again."""

    async def sold() -> bool:
        try:
            return bool(await reserve(stage, drop_id, ["zoe"]))
        except (NotSent, OutcomeUnknown, FencedOff):
            return False

    await until(sold)


async def test_promotions_leave_their_connections_to_others(
    stage: Deployment, mortal_redis: Valkey
) -> None:
    # given a client with few connections, and a drop that sells
    await open_drop(stage)
    redis = connect(mortal_redis.url, connections=2, wait_s=1.0)
    # when promotion follows promotion, then each has a connection
    try:
        for _ in range(6):
            look = await look_at(redis, stage.sql, stage.keyspace, 0)
            after = await Promotion(stage, redis).settle(look, look.epoch)
            assert (after.refusal, after.epoch) == (None, look.epoch + 1)
    finally:
        await redis.aclose()
