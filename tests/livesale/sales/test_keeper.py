"""The keeper ends holds at their deadline and closes drops, whatever stands in its way."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.sales import expiry as sweep
from stock.model import DropState, HoldState
from tests.livesale.stage import open_drop, reserve, running
from tests.servers import Valkey
from tests.waiting import until


async def _nothing_due(stage: Deployment) -> bool:
    counts = [
        await stage.redis.zcount(stage.keyspace.due(partition), "-inf", await stage.engine.now_ms())
        for partition in range(stage.keyspace.partitions)
    ]
    return sum(counts) == 0


async def _until_held(stage: Deployment, drop_id: str, held: int) -> None:
    async def reached() -> bool:
        snapshot = await stage.engine.snapshot(drop_id)
        return snapshot is not None and snapshot.held == held

    await until(reached)


class TestKeeper:
    async def test_holds_end_and_the_stock_is_back(self, stage: Deployment) -> None:
        # given holds of two drops, one of which is paid
        drops = [await open_drop(stage, hold_ms=30, allotted=10) for _ in range(2)]
        rids = [await reserve(stage, drop_id, ["ann", "bob", "cid"]) for drop_id in drops]
        await stage.engine.confirm(rids[0][0], "pay-1", 1_990)
        registry = CollectorRegistry()
        # when two keepers work
        async with running(Keeper(stage, registry)), running(Keeper(stage)):
            for drop_id in drops:
                await _until_held(stage, drop_id, 0)
            await until(lambda: registry.get_sample_value("livesale_keeper_up", {"partition": "0"}))
        # then each hold ended once and the rest is on sale again
        snapshots = [await stage.engine.snapshot(drop_id) for drop_id in drops]
        assert [(s.available, s.sold) for s in snapshots if s] == [(9, 1), (10, 0)]
        ended = [await stage.engine.reservation(rid) for rid in rids[0][1:] + rids[1]]
        assert {claim.state for claim in ended if claim} == {HoldState.EXPIRED}
        assert await _nothing_due(stage)

    async def test_a_drop_closes_at_its_time(self, stage: Deployment) -> None:
        # given a drop whose time is nearly over
        now_ms = await stage.engine.now_ms()
        drop_id = await open_drop(stage, closes_ms=now_ms + 100)
        # when a keeper works, then it closes
        async with running(Keeper(stage)):

            async def closed() -> bool:
                snapshot = await stage.engine.snapshot(drop_id)
                return snapshot is not None and snapshot.state is DropState.CLOSED

            await until(closed)
        assert await _nothing_due(stage)

    async def test_many_holds_take_many_pages(
        self, stage: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given more due holds than a page has, and a sweep that comes only once
        monkeypatch.setattr(sweep, "PAGE", 100)
        drop_id = await open_drop(stage, hold_ms=1, allotted=2_000)
        for start in range(0, 1_000, 250):
            await reserve(stage, drop_id, [f"b{n}" for n in range(start, start + 250)])
        sweeper = sweep.Sweeper(stage.engine, stage.keyspace.partition_of(drop_id))
        await asyncio.sleep(0.01)
        # when it is swept once, then all of them have ended
        done = await sweeper.sweep()
        assert done == sweep.Swept(expired=1_000, closed=0)

    async def test_members_that_nothing_answers_for_block_nobody(
        self, stage: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given a head of the list full of members of drops and reservations that are gone
        monkeypatch.setattr(sweep, "PAGE", 10)
        drop_id = await open_drop(stage, hold_ms=1)
        partition = stage.keyspace.partition_of(drop_id)
        strays = {f"{drop_id}-{number:016d}": number + 1 for number in range(25)}
        strays |= {f"gone{number}-{number:016d}": number + 1 for number in range(25)}
        strays |= {f"gone{number}": number + 1 for number in range(25)}
        await stage.redis.zadd(stage.keyspace.due(partition), strays)
        await reserve(stage, drop_id, ["ann", "bob"])
        await asyncio.sleep(0.01)
        # when it is swept, then the holds behind them end
        sweeper = sweep.Sweeper(stage.engine, partition)
        done = await sweeper.sweep()
        assert done.expired == 2
        # and what is left of them stands in the wrong partition, and is passed by
        left = [member.partition("-")[0] for member in await stage.engine.due(partition, 100)]
        assert partition not in {stage.keyspace.partition_of(drop) for drop in left}
        assert (await sweeper.sweep()).expired == 0

    async def test_a_drop_with_broken_books_blocks_no_other(self, stage: Deployment) -> None:
        # given two drops of one partition, the older one with books that do not balance
        ill = await open_drop(stage, hold_ms=1)
        well = await open_drop(stage, hold_ms=1)
        while stage.keyspace.partition_of(well) != stage.keyspace.partition_of(ill):
            well = await open_drop(stage, hold_ms=1)
        await reserve(stage, ill, ["ann"])
        await reserve(stage, well, ["bob"])
        await stage.redis.hincrby(stage.keyspace.of_drop(ill).drop, "available", 1)
        # when a keeper works, then the other one's hold ends
        async with running(Keeper(stage)):
            await _until_held(stage, well, 0)
        hold = await stage.redis.hget(stage.keyspace.of_drop(ill).drop, "held")
        assert hold == "1"

    async def test_holds_end_as_soon_as_there_is_memory_again(self, stage: Deployment) -> None:
        # given a hold that is due, and a server that has no memory for anything
        drop_id = await open_drop(stage, hold_ms=1)
        await reserve(stage, drop_id, ["ann"])
        partition = stage.keyspace.partition_of(drop_id)
        keeper = Keeper(stage)
        await stage.redis.config_set("maxmemory", "1mb")
        try:
            async with running(keeper):

                def refused() -> bool:
                    return "ServerRefuses" in keeper.faults().get(partition, "")

                await until(refused)
                # when there is memory again, then the hold ends at one of the next sweeps
                await stage.redis.config_set("maxmemory", "0")
                await _until_held(stage, drop_id, 0)
        finally:
            await stage.redis.config_set("maxmemory", "0")

    async def test_redis_that_restarts(self, stage: Deployment, redis_server: Valkey) -> None:
        # given a keeper whose Redis is killed
        drop_id = await open_drop(stage, hold_ms=300)
        await reserve(stage, drop_id, ["ann"])
        keeper = Keeper(stage)
        async with running(keeper):
            redis_server.kill()

            def failing() -> bool:
                return not keeper.healthy

            await until(failing)
            # when it comes back, then the keeper goes on by itself
            redis_server.start()
            await _until_held(stage, drop_id, 0)

            def healthy() -> bool:
                return keeper.healthy

            await until(healthy)

    async def test_a_keeper_of_an_old_epoch_stops(self, stage: Deployment) -> None:
        # given partitions that have moved on to epoch 2, with a hold that is due
        drop_id = await open_drop(stage, hold_ms=1)
        await reserve(stage, drop_id, ["ann"])
        partition = stage.keyspace.partition_of(drop_id)
        await stage.redis.set(stage.keyspace.epoch(partition), 2)
        keeper = Keeper(stage)
        async with running(keeper):

            def fenced() -> bool:
                return "fenced off" in keeper.faults().get(partition, "")

            # when it sweeps, then it stops there and says so
            await until(fenced)
        snapshot = await stage.engine.snapshot(drop_id)
        assert snapshot is not None
        assert snapshot.held == 1
