"""The writer moves every entry of the log into SQL exactly once, whatever happens."""

import asyncio

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from stock.books import Books
from stock.log import LogReader
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    Crowd,
    on_both,
    open_drop,
    read_sql,
    reserve,
    running,
    until_healthy,
    until_written,
    with_writer,
)
from tests.waiting import until

FOREVER_MS = 3_600_000


@on_both
async def test_sql_becomes_the_fold_of_the_log(stage: Deployment) -> None:
    # given a log with everything that can happen to a drop, and no trimming
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drops = [await open_drop(stage, hold_ms=30) for _ in range(3)]
    crowd = Crowd(stage, drops)
    await crowd.act(150)
    await reserve(stage, await open_drop(stage), ["ann"])  # held to the end
    await stage.engine.pause_drop(drops[0])
    # when the writer works while more is added
    async with running(Writer(stage)):
        await crowd.act(150)
        await stage.engine.close_drop(drops[1])
        await until_written(stage)
    # then SQL holds what the log adds up to, and the ledger sums up to the books
    fold = await fold_of(stage)
    assert await found(stage) == expected(fold)
    assert await ledger_sums(stage) == fold.books
    states = {order.state.value for order in fold.reservations.values()}
    assert states == {"held", "sold", "released", "expired"}


async def test_an_entry_is_in_sql_without_a_polling_delay(stage: Deployment) -> None:
    # given a writer that waits for a log that is empty
    drop_id = await open_drop(stage)
    async with running(Writer(stage)):
        await until_written(stage)
        # when somebody reserves, then the order comes by itself
        (rid,) = await reserve(stage, drop_id, ["ann"])
        await until_written(stage)
    orders = (await read_sql(stage))["orders"]
    assert [(order[0], order[6]) for order in orders] == [(rid, "held")]


@on_both
async def test_two_writers_have_one_effect(stage: Deployment) -> None:
    # given two writers
    drops = [await open_drop(stage, hold_ms=30) for _ in range(3)]
    first, second = Writer(stage), Writer(stage)
    crowd = Crowd(stage, drops)
    # when both work on the same log
    async with running(first), running(second):
        await crowd.act(200)
        await until_written(stage)
        for writer in (first, second):
            await until_healthy(writer)
        states = [{status.state for status in writer.status()} for writer in (first, second)]
    # then SQL holds each entry once, nothing is quarantined and nobody is ill
    rows = await read_sql(stage)
    infos = [
        await LogReader(stage.redis, stage.keyspace.log(partition)).info() for partition in range(2)
    ]
    assert [row[3] for row in rows["log_offsets"]] == [info.entries_added for info in infos]
    assert rows["quarantine"] == []
    assert states[0] | states[1] <= {PartitionState.WRITING, PartitionState.STANDBY}
    assert await ledger_sums(stage) == {row[0]: Books(*row[1:]) for row in rows["books"]}


@on_both
async def test_a_standby_takes_over(stage: Deployment) -> None:
    # given two writers of which one is standing by
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    first, second = Writer(stage), Writer(stage)
    async with running(second):
        async with running(first):
            while not any(
                writer.status()[partition].state is PartitionState.STANDBY
                for writer in (first, second)
            ):
                await reserve(stage, drop_id, ["ann"])
                await asyncio.sleep(0.005)
        # when the first one goes, then the second one writes what comes
        rids = await reserve(stage, drop_id, ["bob", "cid"])
        await until_written(stage)
        await until_healthy(second)
    orders = {row[0] for row in (await read_sql(stage))["orders"]}
    assert set(rids) <= orders


async def test_the_log_is_trimmed_only_behind_the_offset(stage: Deployment) -> None:
    # given a log of many entries
    drop_id = await open_drop(stage, allotted=1_000)
    for number in range(400):
        await reserve(stage, drop_id, [f"buyer-{number}"])
    log = LogReader(stage.redis, stage.keyspace.log(stage.keyspace.partition_of(drop_id)))
    before = await log.info()
    # when the writer has written it
    async with running(Writer(stage)):
        await until_written(stage)

        async def trimmed() -> bool:
            return (await log.info()).first_id != before.first_id

        await until(trimmed)
    # then entries are gone, but not the one where SQL stands, and a new writer goes on from there
    after = await log.info()
    assert after.length < before.length
    assert await stage.redis.xrange(log.key, after.last_id, after.last_id)
    writer = Writer(stage)
    async with running(writer):
        await reserve(stage, drop_id, ["late"])
        await until_written(stage)
        await until_healthy(writer)


async def test_a_process_with_an_old_epoch_writes_nothing(stage: Deployment) -> None:
    # given an entry in the log, and SQL that has moved on to epoch 2
    drop_id = await open_drop(stage)
    before = await read_sql(stage)
    async with database.transaction(stage.sql) as connection:
        await connection.execute(tables.log_offsets.update().values(epoch=2))
    # when a writer of epoch 1 starts
    writer = Writer(stage)
    async with running(writer):

        def fenced() -> bool:
            return {status.state for status in writer.status()} == {PartitionState.FENCED}

        # then it writes nothing, and says why
        await until(fenced)
        assert not writer.healthy
        assert "epoch 2" in writer.status()[0].last_error
    after = await read_sql(stage)
    assert after["orders"] == after["books"] == []
    assert [row[2:] for row in after["log_offsets"]] == [row[2:] for row in before["log_offsets"]]
    assert drop_id


async def test_a_redis_that_is_older_than_sql_stops_the_partition(stage: Deployment) -> None:
    # given a log that SQL holds
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    async with running(Writer(stage)):
        await until_written(stage)
    before = await read_sql(stage)
    # when Redis has lost it and sells again under new ids
    await stage.redis.delete(stage.keyspace.log(partition), stage.keyspace.of_drop(drop_id).drop)
    other = await open_drop(stage)
    while stage.keyspace.partition_of(other) != partition:
        other = await open_drop(stage)
    writer = Writer(stage)
    async with running(writer):

        def started() -> bool:
            return writer.status()[partition].state is not PartitionState.STARTING

        await until(started)
        status = writer.status()[partition]
    # then the partition stops with an alert and writes none of it
    assert status.state is PartitionState.REDIS_OLDER
    after = await read_sql(stage)
    assert after["log_offsets"][partition] == before["log_offsets"][partition]
    assert other not in {row[0] for row in after["books"]}


async def test_a_redis_emptied_under_a_running_writer_is_noticed(stage: Deployment) -> None:
    # given a writer that has written
    await open_drop(stage)
    writer = Writer(stage)
    async with running(writer):
        await until_written(stage)
        # when Redis is emptied, then the partitions that SQL holds something of stop
        await stage.redis.flushall()

        def ill() -> bool:
            return not writer.healthy

        await until(ill)
        states = {status.state for status in writer.status()}
    assert PartitionState.REDIS_OLDER in states
