"""Replication: what was acknowledged is on the replicas, and a promotion goes on by itself."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from livesale.deployment.opening import open_deployment
from livesale.deployment.partitions import look_at
from livesale.errors import Refused
from livesale.ledger.tables import orders
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.settings import Settings
from stock.connection import connect
from stock.errors import FencedOff, NotSent, OutcomeUnknown, ScriptRefused
from stock.gateway import RedisEngine
from stock.ids import keyed_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, ReserveCode
from tests.livesale.operations.recovery.scenes import broken, recover, replicated, write
from tests.livesale.stage import PARTITIONS, open_drop, running, until_written
from tests.replication import Cluster, ClusterMode, ask
from tests.waiting import until

FAULTS = (NotSent, OutcomeUnknown, FencedOff, ScriptRefused)


pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster | ClusterMode]:
    cluster = getattr(request, "param", Cluster)()
    cluster.start()
    yield cluster
    cluster.remove()


EITHER = pytest.mark.parametrize("cluster", [Cluster, ClusterMode], indirect=True)


@pytest.fixture
async def settings(cluster: Cluster, sqlite_url: str, tmp_path: Path) -> Settings:
    return await replicated(cluster.url, sqlite_url, tmp_path, stock__partitions=PARTITIONS)


class Buyers:
    """They reserve with keys, and write down what they were told."""

    def __init__(self, deployment: Deployment, drop_ids: list[str]) -> None:
        self._engine = deployment.engine
        self._drop_ids = drop_ids
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []

    async def buy(self, name: str, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            drop_id = self._drop_ids[number % len(self._drop_ids)]
            attempt = Attempt(keyed_rid(drop_id, name, str(number)), name)
            try:
                outcome = (await self._engine.reserve(drop_id, [attempt])).outcomes[0]
            except OutcomeUnknown:
                self.unknown.append(attempt.rid)
                continue
            except FAULTS:
                await asyncio.sleep(0.05)
                continue
            if outcome.code in (ReserveCode.HELD, ReserveCode.REPLAYED):
                self.acknowledged.append(attempt.rid)
            else:
                await asyncio.sleep(0.05)


async def test_a_promotion_under_load_loses_nothing_acknowledged(
    cluster: Cluster, deployment: Deployment
) -> None:
    # given a crowd, and all roles at work
    drop_ids = [await open_drop(deployment, allotted=90_000, buyer_limit=1_000) for _ in range(4)]
    buyers, stop = Buyers(deployment, drop_ids), asyncio.Event()
    async with (
        asyncio.TaskGroup() as tasks,
        running(Writer(deployment)),
        running(Keeper(deployment)),
    ):
        for number in range(6):
            tasks.create_task(buyers.buy(f"b{number}", stop))
        await asyncio.sleep(1.0)
        # when the primary dies, and the Sentinels promote a replica
        before = len(buyers.acknowledged)
        assert before
        cluster.primary.kill()

        def selling() -> bool:
            return len(buyers.acknowledged) > before + 200

        await until(selling)
        stop.set()
        await until_written(deployment)
    # then the epoch has risen by itself, and every acknowledged reservation is there
    assert deployment.epochs == dict.fromkeys(range(PARTITIONS), 2)
    assert not deployment.closed
    lost = [rid for rid in buyers.acknowledged if not await deployment.engine.reservation(rid)]
    assert lost == []
    assert [check for check in await audit(deployment) if not check.ok] == []


@EITHER
async def test_an_answer_that_no_replica_has_is_unknown(
    cluster: Cluster | ClusterMode, deployment: Deployment
) -> None:
    # given replicas that stand still
    drop_id = await open_drop(deployment)
    attempt = [Attempt(keyed_rid(drop_id, "ann", "k"), "ann")]
    _signal(cluster, signal.SIGSTOP)
    try:
        with pytest.raises(OutcomeUnknown, match="0 of 1 replicas"):
            await deployment.engine.reserve(drop_id, attempt)
        # then a retry, which writes nothing, is not told more than the first attempt was
        with pytest.raises(OutcomeUnknown):
            await deployment.engine.reserve(drop_id, attempt)
        # nor by a connection that has written nothing before
        await deployment.redis.connection_pool.disconnect()
        with pytest.raises(OutcomeUnknown):
            await deployment.engine.reserve(drop_id, attempt)
    finally:
        _signal(cluster, signal.SIGCONT)

    # and it gets its answer when they have it
    async def answered() -> bool:
        try:
            outcome = (await deployment.engine.reserve(drop_id, attempt)).outcomes[0]
        except FAULTS:
            return False
        return outcome.code is ReserveCode.REPLAYED

    await until(answered)


@EITHER
async def test_the_writer_takes_only_what_replicas_have(
    cluster: Cluster | ClusterMode, deployment: Deployment
) -> None:
    drop_id = await open_drop(deployment)
    writer = Writer(deployment)
    async with running(writer):
        await until_written(deployment)
        _signal(cluster, signal.SIGSTOP)
        try:
            # given an entry that no replica has
            attempt = [Attempt(keyed_rid(drop_id, "ann", "k"), "ann")]
            with pytest.raises(OutcomeUnknown):
                await deployment.engine.reserve(drop_id, attempt)
            partition = deployment.keyspace.partition_of(drop_id)

            def waiting() -> bool:
                return "replicas confirmed" in writer.status()[partition].last_error

            # then it stays out of SQL until one has it
            await until(waiting)
            assert await committed(deployment, attempt[0].rid) == 0
        finally:
            _signal(cluster, signal.SIGCONT)
        await until_written(deployment)


async def test_a_replica_whose_books_differ_stays_closed_until_it_is_recovered(
    cluster: Cluster, deployment: Deployment
) -> None:
    # given replicas that have a unit more than SQL has, at the same place of the log
    drop_id = await open_drop(deployment, allotted=5)
    await until_confirmed(deployment, drop_id, "ann")
    await write(deployment)
    partition = deployment.keyspace.partition_of(drop_id)
    key = deployment.keyspace.of_drop(drop_id).drop
    for node in cluster.replicas:
        ask(node.port, "CONFIG", "SET", "replica-read-only", "no")
        for name in ("allotted", "available"):
            ask(node.port, "HINCRBY", key, name, "1")
    # when one of them is promoted
    cluster.primary.kill()

    def closed() -> bool:
        return "differ" in deployment.closed.get(partition, "")

    await until(closed)
    # then every later look, of whichever process, finds it closed, and a new one does not start
    look = await look_at(deployment.redis, deployment.sql, deployment.keyspace, partition)
    assert look.refusal is not None
    assert "differ" in look.refusal.problem
    with pytest.raises(Refused, match="differ"):
        async with open_deployment(deployment.settings, role="test"):
            pass
    attempt = [Attempt(keyed_rid(drop_id, "bob", "k"), "bob")]
    assert (await deployment.engine.reserve(drop_id, attempt)).outcomes[0].code is (
        ReserveCode.FENCED
    )
    # and the recovery makes the books those of SQL
    assert [each.partition for each in await recover(deployment)] == [partition]

    def opened() -> bool:
        return not deployment.closed and deployment.epochs[partition] > 1

    await until(opened)
    books = await deployment.engine.snapshot(drop_id)
    assert books is not None
    assert (books.books.allotted, books.books.available) == (5, 4)
    assert await broken(deployment) == []


async def until_confirmed(deployment: Deployment, drop_id: str, buyer_id: str) -> None:
    attempt = [Attempt(keyed_rid(drop_id, buyer_id, "k"), buyer_id)]

    async def confirmed() -> bool:
        try:
            outcome = (await deployment.engine.reserve(drop_id, attempt)).outcomes[0]
        except FAULTS:
            return False
        return outcome.code in (ReserveCode.HELD, ReserveCode.REPLAYED)

    await until(confirmed)


async def test_too_few_replicas_are_refused_at_the_start(settings: Settings) -> None:
    redis = settings.redis.model_copy(update={"replicas": 3})
    with pytest.raises(Refused, match="3 replicas must confirm, but Redis has 2"):
        async with open_deployment(settings.model_copy(update={"redis": redis}), role="test"):
            pass


async def test_a_replica_sells_nothing(cluster: Cluster, deployment: Deployment) -> None:
    drop_id = await open_drop(deployment)
    redis = connect(f"redis://127.0.0.1:{cluster.replicas[0].port}")
    engine = RedisEngine(redis, Keyspace(PARTITIONS), deployment.epochs)
    with pytest.raises(NotSent):
        await engine.reserve(drop_id, [Attempt(keyed_rid(drop_id, "ann", "k"), "ann")])
    await redis.aclose()


async def committed(deployment: Deployment, rid: str) -> int:
    """How many orders with this id SQL has."""
    query = select(func.count()).select_from(orders).where(orders.c.order_id == rid)
    async with deployment.sql.connect() as connection:
        return int(await connection.scalar(query) or 0)


def _signal(cluster: Cluster | ClusterMode, number: int) -> None:
    for node in cluster.replicas:
        assert node.process is not None
        os.kill(node.process.pid, number)
