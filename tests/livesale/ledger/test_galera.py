"""Writers on two nodes of a Galera cluster: each entry of the log takes effect once.

The nodes share no locks. Of two transactions that changed one row on two nodes one is refused when
it commits, with the error of a deadlock.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from livesale.database import engine as database
from livesale.ledger import leases
from livesale.ledger.leases import Leases
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from tests.galera import Node, galera
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    PARTITIONS,
    Crowd,
    open_drop,
    open_stage,
    read_sql,
    running,
    until_written,
)
from tests.servers import Valkey
from tests.waiting import until

pytestmark = [
    pytest.mark.xdist_group("galera"),
    pytest.mark.soak,
]  # 14 s until three servers are up


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with galera() as made:
        yield made


@pytest.fixture
async def stages(
    nodes: list[Node], redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[list[Deployment]]:
    """One deployment, as processes that use one node each see it."""
    url = nodes[0].database()
    name = url.partition("?")[0].rpartition("/")[2]
    flags = {"writer__trim_every_ms": 3_600_000}
    async with open_stage(redis, redis_server.url, url, tmp_path, **flags) as first:
        engines = [database.connect(node.url_of(name), tmp_path) for node in nodes[1:]]
        yield [first, *(replace(first, sql=engine) for engine in engines)]
        for engine in engines:
            await engine.dispose()


async def assert_all_have_the_log(stages: list[Deployment]) -> None:
    await until_written(stages[0])
    fold = await fold_of(stages[0])
    whole = expected(fold)
    for stage in stages:

        async def has_it(stage: Deployment = stage) -> bool:
            return bool(await found(stage) == whole)

        await until(has_it)  # a node applies what another one committed a moment later
        assert await ledger_sums(stage) == fold.books
        assert (await read_sql(stage))["quarantine"] == []


async def test_writers_on_two_nodes(
    stages: list[Deployment], nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = [await open_drop(stages[0], hold_ms=30, allotted=2_000) for _ in range(4)]
    crowd = Crowd(stages[0], drops)
    # given writers on two nodes, then they share the partitions as on one server
    one, two = Writer(stages[0]), Writer(stages[1])
    async with running(one), running(two):

        def shared() -> bool:
            states = [[status.state for status in each.status()] for each in (one, two)]
            return all(found.count(PartitionState.WRITING) == 1 for found in states)

        await until(shared)
        await crowd.act(100)
        await assert_all_have_the_log(stages)
    # when both write all partitions, as after a lease that was lost and not noticed
    monkeypatch.setattr(Leases, "_targets", lambda *_: frozenset(range(PARTITIONS)))
    monkeypatch.setattr(leases, "_held_by", lambda _: frozenset())

    def conflicts() -> int:
        names = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
        return sum(node.status(name) for node in nodes for name in names)

    before = conflicts()
    one, two = Writer(stages[0]), Writer(stages[1])
    async with running(one), running(two):

        async def have_met() -> bool:
            await crowd.act(20)
            return conflicts() > before

        await until(have_met)
        # then of two effects one is refused, and each entry is on each node once
        await assert_all_have_the_log(stages)
