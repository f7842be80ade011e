"""Writers and keepers share the partitions, and take over from who is gone."""

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.database import engine as database
from livesale.errors import Refused
from livesale.ledger import leases as module
from livesale.ledger.leases import Holder, Leases, parse, pins_of, shares, show
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.tables import leases
from livesale.ledger.writer import Writer
from livesale.processes.roles import _Keepers
from livesale.resources import Deployment
from livesale.tasks import Tasks
from livesale.tasks.share import Share
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    PARTITIONS,
    Crowd,
    on_mariadb,
    open_drop,
    open_stage,
    read_sql,
    reserve,
    running,
    until_written,
    with_writer,
)
from tests.servers import Valkey
from tests.waiting import until

MANY = 64


def _holders(seed: int) -> list[Holder]:
    """Processes that live, in any state that deaths, pins and faults may have left."""
    chance = random.Random(seed)
    left = set(range(MANY))
    found = []
    for number in range(chance.randint(1, 6)):
        held = frozenset(one for one in left if chance.random() < 0.4)
        left -= held
        first = chance.randrange(MANY)
        pins = frozenset(range(first, min(MANY, first + 12))) if chance.random() < 0.2 else None
        cannot = frozenset(chance.sample(range(MANY), chance.choice((0, 0, 0, 2))))
        found.append(Holder(f"h{number}", held=held, pins=pins, cannot=cannot))
    return found


def test_shares_are_fair_and_at_rest() -> None:
    for seed in range(300):
        holders = _holders(seed)
        by_name = {one.name: one for one in holders}
        given = shares(MANY, holders)
        # then each partition has one who may hold it, if there is one who may
        for partition in range(MANY):
            may = [one for one in holders if one.may(partition)]
            assert (partition in given) == bool(may), seed
            if may:
                assert by_name[given[partition]].may(partition)
                pinned = [one for one in may if one.pins is not None]
                able = [one for one in may if partition not in one.cannot]
                if pinned and [one for one in pinned if partition not in one.cannot]:
                    assert by_name[given[partition]].pins is not None
                if able:
                    assert partition not in by_name[given[partition]].cannot
        # and when all hold what they should, nothing moves
        there = [
            Holder(
                one.name,
                held=frozenset(p for p, name in given.items() if name == one.name),
                pins=one.pins,
                cannot=one.cannot,
            )
            for one in holders
        ]
        assert shares(MANY, there) == given, seed
        # and those that may all do the same have the same, but for one
        if all(one.pins is None and not one.cannot for one in holders):
            loads = [Counter(given.values())[one.name] for one in holders]
            assert max(loads) - min(loads) <= 1, seed
            # and a newcomer is given its share, and hardly more than that moves
            more = shares(MANY, [*there, Holder("new")])
            moved = [partition for partition in given if more[partition] != given[partition]]
            assert MANY // (len(holders) + 1) <= len(moved)
            assert len(moved) <= MANY // (len(holders) + 1) + len(holders)


def test_a_list_of_partitions() -> None:
    assert parse("0-3,7") == {0, 1, 2, 3, 7}
    assert (parse(""), pins_of("", 4)) == (frozenset(), None)
    assert parse(show([7, 1, 2, 0, 9])) == {0, 1, 2, 7, 9}
    assert show([7, 1, 2, 0, 9]) == "0-2,7,9"
    with pytest.raises(Refused, match="there is no partition 4: this deployment has 4"):
        pins_of("0-4", 4)


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    async with open_stage(redis, redis_server.url, url, tmp_path) as opened:
        yield with_writer(opened, trim_every_ms=3_600_000)


class Process:
    """A process that only holds a lease."""

    def __init__(self, stage: Deployment, pins: set[int] | None = None) -> None:
        self.share = Share()
        self.leases = Leases(stage.sql, "writer", MANY, self.share, pins=pins)
        self.stop = asyncio.Event()
        self.works: Counter[int] = Counter()  # how many works run now, by partition

    @asynccontextmanager
    async def living(self) -> AsyncIterator["Process"]:
        """At the end it dies: it gives nothing back."""
        async with Tasks() as tasks:
            tasks.keep("test", partial(self.leases.run, self.stop), longest_s=0.1)
            yield self

    @property
    def held(self) -> frozenset[int]:
        return self.share.held


@on_mariadb
async def test_a_share_moves_to_who_lives(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch, record_property: object
) -> None:
    # given processes on machines of their own: nobody can ask for the process id of another
    monkeypatch.setattr(module, "_process_space", str)
    one, two, three = Process(stage), Process(stage), Process(stage, pins={0, 1, 2, 3})
    every = frozenset(range(MANY))

    def whole(*living: Process) -> bool:
        held = [each.held for each in living]
        return sum(map(len, held)) == MANY and frozenset().union(*held) == every

    async with AsyncExitStack() as end:
        await end.enter_async_context(one.living())
        await until(lambda: one.held == every)
        # when a second one comes, then both have half of them
        async with two.living():
            await until(lambda: whole(one, two) and len(two.held) == MANY // 2)
            # and one that is pinned has its own
            async with three.living():
                await until(lambda: whole(one, two, three) and three.held == {0, 1, 2, 3})
                await until(lambda: len(one.held) == len(two.held) == (MANY - 4) // 2)
            await until(lambda: whole(one, two))
            died_s = time.monotonic()
        # when it dies without a word, then the first one has all
        await until(lambda: one.held == every)
        record_property("handover_s", round(time.monotonic() - died_s, 3))  # type: ignore[operator]
        # and one that was taken for dead begins again
        async with database.transaction(stage.sql) as connection:
            await connection.execute(leases.delete().where(leases.c.name != ""))
        await until(lambda: not one.held)
        await until(lambda: one.held == every)
        async with database.transaction(stage.sql, write=False) as connection:
            rows = (await connection.execute(select(leases.c.name, leases.c.held))).all()
        assert sorted(row.held for row in rows) == ["", "0-63"]


async def test_work_ends_before_a_partition_is_given_back(stage: Deployment) -> None:
    # given a process whose work on a partition takes its time to end
    one, two = Process(stage), Process(stage)
    may_end = asyncio.Event()

    async def work(of: Process, partition: int, gone: asyncio.Event) -> None:
        of.works[partition] += 1
        await gone.wait()
        if of is one:
            await may_end.wait()
        of.works[partition] -= 1

    async with AsyncExitStack() as end:
        tasks = await end.enter_async_context(Tasks(one.stop))
        for each in (one, two):
            tasks.errand("test", each.share.each(one.stop, partial(work, each)))
        await end.enter_async_context(one.living())
        await until(lambda: sum(one.works.values()) == MANY)
        await end.enter_async_context(two.living())
        # when it should give half of them back, then nobody else gets them
        await until(lambda: len(one.held) == MANY // 2)
        await asyncio.sleep(3 * module.LOOK_S)
        assert not two.held
        # until its work has ended
        may_end.set()
        await until(lambda: len(two.held) == MANY // 2)
        await until(lambda: sum(two.works.values()) == MANY // 2)
        assert not one.held & two.held
        assert max((one.works + two.works).values()) == 1
        one.stop.set()


async def test_a_keeper_sweeps_all_while_sql_does_not_answer(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two keepers that share the partitions
    monkeypatch.setattr(module, "BLIND_S", 0.2)
    first, second = (_Keepers(stage, CollectorRegistry()) for _ in range(2))
    shares_ = [keepers._leases._share for keepers in (first, second)]
    async with running(first), running(second):
        await until(lambda: all(len(share.held) == PARTITIONS // 2 for share in shares_))
        # when SQL does not answer, then both sweep all
        with pytest.MonkeyPatch.context() as away:

            async def nothing(*_: object) -> None:
                raise TimeoutError

            away.setattr(Leases, "_read", nothing)
            await until(lambda: all(len(share.held) == PARTITIONS for share in shares_))
        # and when it is back, they share again
        await until(lambda: all(len(share.held) == PARTITIONS // 2 for share in shares_))


@pytest.fixture
def killed() -> Iterator[list[asyncio.subprocess.Process]]:
    processes: list[asyncio.subprocess.Process] = []
    yield processes
    for process in processes:
        if process.returncode is None:
            process.kill()


@on_mariadb
async def test_one_of_two_writers_is_killed_in_a_sale(
    stage: Deployment,
    redis_server: Valkey,
    mariadb_url: str,
    tmp_path: Path,
    killed: list[asyncio.subprocess.Process],
    record_property: object,
) -> None:
    # given two writers in processes of their own, each with half of the partitions
    words = ("-m", "tests.livesale.ledger.writer_process", redis_server.url, mariadb_url)
    start = partial(asyncio.create_subprocess_exec, sys.executable, *words, str(tmp_path))
    killed += [await start(), await start()]

    async def holders() -> dict[int, frozenset[int]]:
        async with database.transaction(stage.sql, write=False) as connection:
            query = select(leases.c.pid, leases.c.held).where(leases.c.role == "writer")
            return {pid: parse(held) for pid, held in await connection.execute(query) if pid}

    async def shared() -> bool:
        return [len(held) for held in (await holders()).values()] == [1, 1]

    await until(shared)
    drops = [await open_drop(stage, hold_ms=30, allotted=500) for _ in range(4)]
    (partition,) = (await holders())[killed[0].pid]
    of_it = [one for one in drops if stage.keyspace.partition_of(one) == partition]
    of_it = of_it or [await _drop_in(stage, partition)]
    crowd = Crowd(stage, [*drops, *of_it])
    await crowd.act(100)
    # when one is killed while the sale goes on
    killed[0].send_signal(signal.SIGKILL)
    died_s = time.monotonic()
    rids = await reserve(stage, of_it[0], ["ann"])
    await crowd.act(100)

    async def written() -> bool:
        return set(rids) <= {row[0] for row in (await read_sql(stage))["orders"]}

    await until(written)
    record_property("handover_s", round(time.monotonic() - died_s, 3))  # type: ignore[operator]
    # then the other one has both, and each entry is in SQL once
    assert list((await holders()).values()) == [frozenset(range(PARTITIONS))]
    await crowd.act(50)
    await until_written(stage)
    fold = await fold_of(stage)
    assert await found(stage) == expected(fold)
    assert await ledger_sums(stage) == fold.books
    assert (await read_sql(stage))["quarantine"] == []


async def _drop_in(stage: Deployment, partition: int) -> str:
    while True:
        drop_id = await open_drop(stage, hold_ms=30, allotted=500)
        if stage.keyspace.partition_of(drop_id) == partition:
            return drop_id


async def test_a_pinned_writer_writes_only_its_own(stage: Deployment) -> None:
    settings = stage.settings.writer.model_copy(update={"partitions": "1"})
    whole = stage.settings.model_copy(update={"writer": settings})
    writer = Writer(Deployment(whole, stage.redis, stage.redis_url, stage.sql, stage.engine))
    async with running(writer):
        await until(lambda: writer.status()[1].state is PartitionState.WRITING)
        assert writer.status()[0].state is PartitionState.STANDBY
