"""Where keys are, and what a call makes of a refusal that proves that nothing ran."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import MovedError, RedisError

from stock.connection import connect, hosts_of
from stock.errors import Unreachable
from stock.gateway import RedisEngine
from stock.hosts import parse_cluster, with_name
from stock.ids import random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms, ReserveCode
from stock.topology.cluster import Cluster
from stock.topology.groups import Groups
from stock.topology.router import RoutedRedis, client_of
from stock.topology.slots import key_of, slot_of
from tests.cluster import ShardedCluster

DROP = "shoes"


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "a"), "a"),
        (("EVALSHA", "x" * 40, 2, "a", "b", "c"), "a"),
        (("EVALSHA", "x" * 40, 0, "c"), None),
        (("XREAD", b"COUNT", "5", b"STREAMS", "a", "0-0"), "a"),
        (("XINFO STREAM", "a"), "a"),
        (("MEMORY USAGE", "a"), "a"),
        (("CONFIG GET", "a"), None),
        (("WAIT", 1, 500), None),
        (("TIME",), None),
    ],
)
def test_the_key_of_a_command(command: tuple[object, ...], key: str | None) -> None:
    assert key_of(command) == key


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("cluster://a:1,[::1]:2,c", ["a", "::1", "c"]),
        ("clusters://u:p%40@a?ssl_ca_certs=/x", ["a"]),
        ("sentinel://a,b/x;sentinel://c/y", ["a", "b", "c"]),
    ],
)
def test_hosts_of_several_servers(url: str, hosts: list[str]) -> None:
    assert hosts_of(url) == hosts
    assert hosts_of(with_name(url, "me")) == hosts


def test_what_a_cluster_is_asked_with() -> None:
    seeds, options = parse_cluster("cluster://u:p%40@a:1,b?client_name=me")
    assert seeds == [("a", 1), ("b", 6_379)]
    assert options == {"username": "u", "password": "p@", "client_name": "me"}
    for wrong in ("cluster://", "cluster://a/0", "cluster://a:x"):
        with pytest.raises(ValueError, match=r"cluster|host"):
            parse_cluster(wrong)


async def test_groups_share_the_partitions_evenly() -> None:
    redis = connect("sentinel://a/x;sentinel://b/y;sentinel://c/z")
    assert isinstance(redis, RoutedRedis)
    assert isinstance(redis.topology, Groups)
    keyspace = Keyspace(64)
    places = [redis.topology.place_of(keyspace.log(number)) for number in range(64)]
    assert places == [number % 3 for number in range(64)]
    assert {redis.topology.place_of(f"ls:{{room{n}}}:room") for n in range(50)} == {0, 1, 2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[ShardedCluster]:
    cluster = ShardedCluster()
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture
async def engine(cluster: ShardedCluster) -> AsyncIterator[RedisEngine]:
    keyspace = Keyspace(1)
    redis = connect(cluster.url, connections=4)
    await redis.set(keyspace.epoch(0), 1)
    yield RedisEngine(redis, keyspace, {0: 1})
    assert isinstance(redis, RoutedRedis)
    await redis.topology.refresh()
    await redis.unlink(*[key async for key in _keys(redis, keyspace)])
    await redis.aclose()


async def _keys(redis: Redis, keyspace: Keyspace) -> AsyncIterator[str]:
    client = await client_of(redis, keyspace.epoch(0))
    async for key in client.scan_iter(match=keyspace.pattern(0)):
        yield key


async def open_drop(engine: RedisEngine) -> None:
    now = await engine.now_ms()
    await engine.open_drop(DROP, DropTerms(now, now + 10**7, 60_000, 5, 100, 10))


async def test_a_slot_is_computed_as_the_servers_do(cluster: ShardedCluster) -> None:
    redis = connect(f"redis://127.0.0.1:{cluster.primaries[0].port}")
    for key in ("ls:{p00}:log", "plain", "{}x", "a{b}c{d}", "ls:{p63}:epoch", "é{ü}"):
        assert slot_of(key) == await redis.execute_command("CLUSTER KEYSLOT", key)
    await redis.aclose()


async def test_a_call_waits_for_a_slot_that_is_moved_and_runs_once(
    cluster: ShardedCluster, engine: RedisEngine
) -> None:
    await open_drop(engine)
    place = slot_of(engine.keyspace.epoch(0))
    source = cluster.primary_of(place)
    target = next(node for node in cluster.primaries if node is not source)
    attempts = [Attempt(random_rid(DROP), f"b{number}") for number in range(3)]
    # given half of the keys here and half there: no script can run
    cluster.begin_move(place, target)
    cluster.move_keys(place, target, 2)
    # then a call says that nothing was sent, once it has waited
    with pytest.raises(Unreachable):
        await engine.reserve(DROP, attempts)
    # and one that waits gets its answer when the slot has arrived
    waiting = asyncio.create_task(engine.reserve(DROP, attempts))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    while cluster.move_keys(place, target):
        pass
    cluster.end_move(place, target)
    batch = await waiting
    assert [outcome.code for outcome in batch.outcomes] == [ReserveCode.HELD] * 3
    snapshot = await engine.snapshot(DROP)
    assert snapshot and (snapshot.held, snapshot.reservations) == (3, 3)


async def test_a_slot_that_is_moved_at_once_refuses_nobody(
    cluster: ShardedCluster, engine: RedisEngine
) -> None:
    await open_drop(engine)
    place, held = slot_of(engine.keyspace.epoch(0)), 0
    target = next(node for node in cluster.primaries if node is not cluster.primary_of(place))
    # when a slot is moved as Valkey 9 does it, and buyers come all the time
    cluster.move_at_once(place, target)
    while cluster.primary_of(place) is not target or held < 10:
        batch = await engine.reserve(DROP, [Attempt(random_rid(DROP), f"b{held}")])
        held += sum(outcome.code is ReserveCode.HELD for outcome in batch.outcomes)
        if held == 10:
            await asyncio.sleep(0.01)
    # then each attempt has run once
    snapshot = await engine.snapshot(DROP)
    assert snapshot and (snapshot.held, snapshot.reservations) == (10, 10)


async def test_a_wrong_table_costs_one_more_call_and_no_more(
    cluster: ShardedCluster, engine: RedisEngine
) -> None:
    await open_drop(engine)
    topology, place = engine.topology, slot_of(engine.keyspace.epoch(0))
    assert isinstance(topology, Cluster)
    right = topology.server(place)
    wrong = next(server for server in topology.servers if server is not right)
    # given a table that names another primary
    topology._table[place] = wrong
    # then MOVED leads to the right one
    batch = await engine.reserve(DROP, [Attempt(random_rid(DROP), "ann")])
    assert [outcome.code for outcome in batch.outcomes] == [ReserveCode.HELD]
    assert topology.server(place) is right
    # and plain commands find it, too, alone and many at once
    topology._table[place] = wrong
    assert await engine.redis.get(engine.keyspace.epoch(0)) == "1"
    topology._table[place] = wrong
    async with engine.redis.pipeline(transaction=False) as together:
        together.get(engine.keyspace.epoch(0))
        together.get("elsewhere")
        assert await together.execute() == ["1", None]


async def test_two_nodes_that_name_each_other_are_not_asked_for_ever(
    engine: RedisEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_drop(engine)
    place, topology = slot_of(engine.keyspace.epoch(0)), engine.topology
    assert isinstance(topology, Cluster)
    wrong = next(server for server in topology.servers if server is not topology.server(place))
    asked = []

    async def mislead(moved: MovedError) -> None:
        asked.append(moved.slot_id)

    topology._table[place] = wrong
    monkeypatch.setattr(topology, "note_moved", mislead)
    with pytest.raises(Unreachable, match="127"):
        await engine.reserve(DROP, [Attempt(random_rid(DROP), "ann")])
    with pytest.raises(RedisError):
        await engine.redis.get(engine.keyspace.epoch(0))
    assert asked == [place, place]


async def test_what_has_no_key_is_sent_nowhere(engine: RedisEngine) -> None:
    with pytest.raises(ValueError, match="has no key"):
        await engine.redis.ping()
    with pytest.raises(ValueError, match="in one place"):
        engine.redis.pipeline()
    with pytest.raises(ValueError, match="in one place"):
        engine.redis.pubsub()
