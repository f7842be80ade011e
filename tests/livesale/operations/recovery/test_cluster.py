"""A cluster of 3 + 3: failovers and moved slots under load, and one shard away."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from livesale.app import build_app
from livesale.database.schema import migrate
from livesale.deployment.opening import open_deployment, open_sql
from livesale.errors import Refused
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.operations.doctor import Verdict, examine
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.settings import Settings, load_settings
from stock.errors import OutcomeUnknown, Unreachable
from stock.ids import keyed_rid
from stock.model import Attempt, ReserveCode
from stock.topology.slots import slot_of
from tests.cluster import ShardedCluster
from tests.livesale.api import Api
from tests.livesale.deployment.test_acl import sell_everything, show_everything, write_users
from tests.livesale.operations.recovery.scenes import recover, replicated
from tests.livesale.operations.recovery.test_failover import FAULTS, Buyers
from tests.livesale.rooms.conftest import open_show
from tests.livesale.stage import Crowd, open_drop, reserve, running, until_written
from tests.replication import Cluster as SentinelGroup
from tests.replication import Node, ask
from tests.waiting import until

PARTITIONS = 6


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ShardedCluster]:
    """Its users are ours, each with its name as password; the nodes and the test need none."""
    users = write_users(tmp_path)
    lines = users.read_text().splitlines()
    everybody = "user default on nopass ~* &* +@all"
    users.write_text("\n".join([everybody, *lines[1:]]) + "\n")
    cluster = ShardedCluster(3, "--aclfile", str(users))
    cluster.start()
    yield cluster
    cluster.remove()


def url_of(cluster: ShardedCluster, user: str) -> str:
    return cluster.url.replace("://", f"://{user}:{user}@")


@pytest.fixture
async def settings(cluster: ShardedCluster, sqlite_url: str, tmp_path: Path) -> Settings:
    return await replicated(
        url_of(cluster, "livesale"),
        sqlite_url,
        tmp_path,
        stock__partitions=PARTITIONS,
        redis__loader_url=url_of(cluster, "livesale-loader"),
        keeper__sweep_ms=20,
    )


async def drop_in(deployment: Deployment, partition: int, **changes: int) -> str:
    while True:
        drop_id = await open_drop(deployment, **changes)
        if deployment.keyspace.partition_of(drop_id) == partition:
            return drop_id


def slot(deployment: Deployment, partition: int) -> int:
    return slot_of(deployment.keyspace.epoch(partition))


async def until_replaced(cluster: ShardedCluster, node: Node, slot: int) -> None:
    async def replaced() -> bool:
        return await asyncio.to_thread(cluster.primary_of, slot) is not node

    await until(replaced)


async def check_nothing_is_lost(deployment: Deployment, buyers: Buyers) -> None:
    await until_written(deployment)
    lost = [rid for rid in buyers.acknowledged if not await deployment.engine.reservation(rid)]
    assert lost == []
    assert [check for check in await audit(deployment) if not check.ok] == []


async def test_the_whole_service_runs_on_several_primaries(
    cluster: ShardedCluster, settings: Settings, deployment: Deployment
) -> None:
    # given partitions on all of them, by the users of the file
    ports = [cluster.primary_of(slot(deployment, number)).port for number in range(PARTITIONS)]
    assert len(set(ports)) == len(cluster.primaries)
    drop_ids = [await drop_in(deployment, partition) for partition in range(PARTITIONS)]
    async with (
        running(Writer(deployment)),
        running(Keeper(deployment)),
        running(RoomKeeper(deployment)),
        running(BagKeeper(deployment)),
    ):
        api = Api(build_app(deployment), deployment)
        await api.start()
        try:
            # when every verb is used, by a crowd and by hand, and rooms are shown
            await Crowd(deployment, drop_ids).act(150)
            await sell_everything(api, deployment)
            await asyncio.gather(*[show_everything(api) for _ in range(3)])
            ready = await api.get("/readyz")
        finally:
            await api.stop()
        await until_written(deployment)
    # then all is well, and nothing was asked for that these users may not do
    assert (ready.status, ready.body["status"]) == (200, "ready")
    assert [check for check in await audit(deployment) if not check.ok] == []
    denied = [ask(node.port, "ACL", "LOG") for node in cluster.nodes]
    assert [told for told in denied if "livesale" in told and "eval" not in told] == []
    # and the doctor looks at each of them
    findings = [finding async for finding in examine(settings)]
    assert [each for each in findings if each.verdict is Verdict.PROBLEM] == []
    clocks = [each.text for each in findings if each.topic == "clock"]
    assert len(clocks) == len(cluster.primaries)
    assert next(each for each in findings if each.topic == "spread").text.startswith("of 6")
    # and what would lose answers at a failover is refused
    for node in cluster.nodes:
        ask(node.port, "CONFIG", "SET", "appendfsync", "always")
    asked = settings.redis.model_copy(update={"durability": "fsync"})
    with pytest.raises(Refused, match="take over by themselves"):
        async with open_deployment(settings.model_copy(update={"redis": asked}), role="test"):
            pass


async def test_a_killed_primary_a_moved_slot_and_a_silent_one_under_load(
    cluster: ShardedCluster, deployment: Deployment
) -> None:
    # given a crowd on every partition, and all roles at work
    drop_ids = [
        await drop_in(deployment, partition, allotted=90_000, buyer_limit=1_000)
        for partition in range(PARTITIONS)
    ]
    buyers, stop = Buyers(deployment, drop_ids), asyncio.Event()

    async def all_sell() -> None:
        """Until each partition has sold again."""
        start = len(buyers.acknowledged)

        def sold_everywhere() -> bool:
            sold = {rid.partition("-")[0] for rid in buyers.acknowledged[start:]}
            return sold == set(drop_ids)

        await until(sold_everywhere)

    async with (
        asyncio.TaskGroup() as tasks,
        running(Writer(deployment)),
        running(Keeper(deployment)),
    ):
        for number in range(12):
            tasks.create_task(buyers.buy(f"b{number}", stop))
        await all_sell()
        # when a slot moves, key by key, while its drop sells
        source = cluster.primary_of(slot(deployment, 0))
        target = next(node for node in cluster.primaries if node is not source)
        await asyncio.to_thread(cluster.begin_move, slot(deployment, 0), target)
        await asyncio.sleep(0.1)
        moved = 1
        while moved:
            moved = await asyncio.to_thread(cluster.move_keys, slot(deployment, 0), target, 1)
            await asyncio.sleep(0.02)  # so that buyers come in between
        await asyncio.to_thread(cluster.end_move, slot(deployment, 0), target)
        await all_sell()
        # and a primary dies, and comes back as a replica: then there is one to confirm again
        victim = cluster.primary_of(slot(deployment, 1))
        victim.kill()
        await until_replaced(cluster, victim, slot(deployment, 1))
        victim.start()
        await all_sell()
        # and another stands still, and comes back as what it is no longer
        silent = cluster.primary_of(slot(deployment, 2))
        assert silent.process is not None
        silent.process.send_signal(signal.SIGSTOP)
        await until_replaced(cluster, silent, slot(deployment, 2))
        silent.process.send_signal(signal.SIGCONT)
        await all_sell()
        stop.set()
        await until_written(deployment)
    # then the epochs of all that came to another server have risen, and nothing is lost
    assert not deployment.closed
    assert all(deployment.epochs[partition] > 1 for partition in (0, 1, 2))
    await check_nothing_is_lost(deployment, buyers)


async def test_a_primary_without_the_majority_confirms_nothing(
    cluster: ShardedCluster, deployment: Deployment
) -> None:
    # given a primary that reaches nobody but us
    drop_id = await drop_in(deployment, 0)
    primary = cluster.primary_of(slot(deployment, 0))
    others = [node for node in cluster.nodes if node is not primary]
    for node in others:
        assert node.process is not None
        os.kill(node.process.pid, signal.SIGSTOP)
    attempt = [Attempt(keyed_rid(drop_id, "ann", "k"), "ann")]
    try:
        with pytest.raises(OutcomeUnknown):
            await deployment.engine.reserve(drop_id, attempt)

        # then it ends up refusing, and we know that nothing was sent
        async def refused() -> bool:
            try:
                await deployment.engine.reserve(drop_id, attempt)
            except Unreachable:
                return True
            except FAULTS:
                return False
            raise AssertionError("it was confirmed")

        await until(refused)
    finally:
        for node in others:
            assert node.process is not None
            os.kill(node.process.pid, signal.SIGCONT)

    async def answered() -> bool:
        try:
            outcome = (await deployment.engine.reserve(drop_id, attempt)).outcomes[0]
        except FAULTS:
            return False
        return outcome.code in (ReserveCode.HELD, ReserveCode.REPLAYED)

    await until(answered)
    snapshot = await deployment.engine.snapshot(drop_id)
    assert snapshot and (snapshot.held, snapshot.reservations) == (1, 1)


async def test_viewers_hear_a_room_that_moves_and_whose_primary_dies(
    cluster: ShardedCluster, deployment: Deployment
) -> None:
    async with (
        running(Keeper(deployment)),
        running(RoomKeeper(deployment)),
        open_show(deployment) as show,
    ):
        await show.act("start")
        viewer, place = await show.viewer(), slot_of(RoomKeys.of(show.room_id).channel_key)

        async def say(text: str) -> None:
            async def said() -> bool:
                path = f"{show.path}/comments"
                made = await show.api.post(path, {"text": text}, by=show.api.buyer(text))
                return made.status == 201

            await until(said)

        await say("one")
        await viewer.until("comment", text="one")
        # when the room moves to another primary
        source = cluster.primary_of(place)
        target = next(node for node in cluster.primaries if node is not source)
        await asyncio.to_thread(cluster.move, place, target)
        await say("two")
        await viewer.until("comment", text="two")
        # and that one dies
        target.kill()
        await say("three")
        await viewer.until("comment", text="three")
        assert viewer.faults == []


async def test_groups_of_sentinels_share_the_partitions(sqlite_url: str, tmp_path: Path) -> None:
    groups = [SentinelGroup(replicas=1), SentinelGroup(replicas=1)]
    try:
        for group in groups:
            group.start()
        url = ";".join(group.url for group in groups)
        settings = load_settings(
            data_dir=tmp_path,
            sql__url=sqlite_url,
            stock__partitions=2,
            redis__url=url,
            redis__durability="replicated",
            redis__wait_ms=500,
            redis__timeout_ms=2_000,
        )
        async with open_sql(settings) as sql:
            await migrate(sql)
        async with open_deployment(settings, role="test") as deployment:
            # given a drop in each group
            drop_ids = [await drop_in(deployment, partition) for partition in range(2)]
            async with running(Writer(deployment)), running(Keeper(deployment)):
                await Crowd(deployment, drop_ids).act(60)
                await until_written(deployment)
                # then groups in another order are refused
                swapped = ";".join(group.url for group in reversed(groups))
                asked = settings.redis.model_copy(update={"url": swapped})
                with pytest.raises(Refused, match="group 1 of 2 of the URL was group 2 of 2"):
                    async with open_deployment(
                        settings.model_copy(update={"redis": asked}), role="test"
                    ):
                        pass
                # and when the primary of one dies, the other sells on
                groups[1].primary.kill()
                assert await reserve(deployment, drop_ids[0], ["eve"])
            assert deployment.epochs[0] == 1
    finally:
        for group in groups:
            group.remove()


async def test_a_primary_that_lost_everything_is_recovered_while_the_others_sell(
    cluster: ShardedCluster, settings: Settings, deployment: Deployment
) -> None:
    drop_ids = [await drop_in(deployment, partition) for partition in range(PARTITIONS)]
    async with running(Writer(deployment)), running(Keeper(deployment)):
        for drop_id in drop_ids:
            assert await reserve(deployment, drop_id, ["ann"])
        await until_written(deployment)
        # when one primary is emptied
        emptied = cluster.primary_of(slot(deployment, 0))
        lost = {
            partition
            for partition in range(PARTITIONS)
            if cluster.primary_of(slot(deployment, partition)) is emptied
        }
        ask(emptied.port, "FLUSHALL")

        def closed() -> bool:
            return set(deployment.closed) == lost

        await until(closed)
        # then the others sell on
        for partition in set(range(PARTITIONS)) - lost:
            assert await reserve(deployment, drop_ids[partition], ["bob"])
        # and it sells again after a recovery
        url = url_of(cluster, "livesale-recover")
        rescuers = settings.redis.model_copy(update={"url": url, "loader_url": ""})
        own = settings.model_copy(update={"redis": rescuers})
        await recover(replace(deployment, settings=own))

        def opened() -> bool:
            return not deployment.closed

        await until(opened)
        for drop_id in drop_ids:
            assert await reserve(deployment, drop_id, ["eve"])
        await until_written(deployment)
    assert [check for check in await audit(deployment) if not check.ok] == []
