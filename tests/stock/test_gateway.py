"""The gateway's faults on a real server: each says truly whether something may have happened."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from stock.connection import connect
from stock.errors import BooksBroken, NotSent, OutcomeUnknown, ScriptRefused, Unreachable
from stock.gateway import RedisEngine
from stock.ids import START, random_rid
from stock.keyspace import Keyspace
from stock.log import LogReader
from stock.model import Attempt, ConfirmCode, DropTerms, Fate, Grant, ReserveCode, TakeBack
from tests.servers import Valkey

DROP = "shoes"


@pytest.fixture
async def own_server() -> AsyncIterator[Valkey]:
    """A server that the test may break."""
    server = Valkey()
    server.start()
    yield server
    server.remove()


async def engine_on(server: Valkey, timeout_s: float = 5.0) -> RedisEngine:
    keyspace = Keyspace(1)
    redis = connect(server.url, connections=2, timeout_s=timeout_s, wait_s=0.2)
    await redis.set(keyspace.epoch(0), 1)
    return RedisEngine(redis, keyspace, {0: 1})


async def until_taken(engine: RedisEngine, connections: int) -> None:
    """Wait until so many connections of the pool carry a call."""
    pool = engine.redis.connection_pool
    while len(pool._in_use_connections) < connections:  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0)


async def open_drop(engine: RedisEngine, allotted: int = 10, hold_ms: int = 60_000) -> None:
    now = await engine.now_ms()
    await engine.open_drop(DROP, DropTerms(now, now + 10**7, hold_ms, 5, 100, allotted))


def attempt(buyer: str = "ann") -> Attempt:
    return Attempt(random_rid(DROP), buyer)


async def dump(redis: Redis) -> dict[str, bytes]:
    """Every key with its whole value."""
    return {
        key: await redis.execute_command("DUMP", key, NEVER_DECODE=[])
        for key in sorted(await redis.keys())
    }


async def test_scripts_are_loaded_on_demand_and_after_a_flush(engine: RedisEngine) -> None:
    await open_drop(engine)
    await engine.redis.script_flush()

    outcomes = (await engine.reserve(DROP, [attempt()])).outcomes

    assert outcomes[0].code is ReserveCode.HELD
    info = await LogReader(
        engine.redis, engine.keyspace.log(engine.keyspace.partition_of(DROP))
    ).info()
    assert info.entries_added == 2


async def test_a_flush_in_the_middle_of_a_crowd_has_one_effect_each(engine: RedisEngine) -> None:
    await open_drop(engine, allotted=200)
    attempts = [attempt(f"buyer{n}") for n in range(200)]

    async def flush() -> None:
        for _ in range(20):
            await engine.redis.script_flush()
            await asyncio.sleep(0)

    answers, _ = await asyncio.gather(
        asyncio.gather(*[engine.reserve(DROP, [one]) for one in attempts]), flush()
    )

    assert {answer.outcomes[0].code for answer in answers} == {ReserveCode.HELD}
    snapshot = await engine.snapshot(DROP)
    assert snapshot and (snapshot.held, snapshot.reservations) == (200, 200)


@pytest.mark.parametrize("name", ["epoch", "drop", "buyers", "reservations", "due", "log"])
async def test_a_key_of_the_wrong_type_changes_nothing(engine: RedisEngine, name: str) -> None:
    await open_drop(engine)
    held = attempt()
    await engine.reserve(DROP, [held])
    key = getattr(engine.keyspace.of_drop(DROP), name)
    await engine.redis.delete(key)
    await engine.redis.sadd(key, "not what it should be")
    before = await dump(engine.redis)

    with pytest.raises(ScriptRefused, match="WRONGTYPE"):
        await engine.reserve(DROP, [attempt("bob")])
    with pytest.raises(ScriptRefused, match="WRONGTYPE"):
        await engine.confirm(held.rid, "pay1", 100)
    with pytest.raises(ScriptRefused, match="WRONGTYPE"):
        await engine.release(held.rid, "ann")

    assert await dump(engine.redis) == before


@pytest.mark.parametrize(
    "forged",
    [
        {"available": "11"},
        {"held": "-1"},
        {"sold": "x"},
        # These balance, and a step of any verb could make them look whole again.
        {"available": "-1", "held": "11"},
        {"burned": "-1", "available": "10"},
    ],
)
async def test_broken_books_stop_every_verb_before_it_writes(
    engine: RedisEngine, forged: dict[str, str]
) -> None:
    await open_drop(engine, hold_ms=1)
    held = attempt()
    await engine.reserve(DROP, [held])
    await engine.redis.hset(engine.keyspace.of_drop(DROP).drop, mapping=forged)
    before = await dump(engine.redis)

    for call in (
        engine.reserve(DROP, [attempt("bob")]),
        engine.confirm(held.rid, "pay1", 100),
        engine.grant(DROP, "bag 1", [Grant(held.rid, "ann")]),
        engine.release(held.rid, "ann"),
        engine.expire(DROP, [held.rid]),
        engine.take_back(TakeBack(held.rid, "t1", 1, Fate.AVAILABLE, "x")),
        engine.adjust_drop(DROP, "a", 1, "x"),
        engine.adjust_drop(DROP, "b", -1, "x"),
        engine.pause_drop(DROP),
        engine.close_drop(DROP),
        engine.snapshot(DROP),
    ):
        with pytest.raises(BooksBroken, match=f"BOOKS of {DROP}"):
            await call
    assert await dump(engine.redis) == before


@pytest.mark.parametrize("forged", ["", "x", "h|ann|1|x|y", "z|ann|1|100|5", "h|ann|1|100|5x"])
async def test_an_unreadable_record_stops_its_own_attempt_only(
    engine: RedisEngine, forged: str
) -> None:
    await open_drop(engine, hold_ms=1)
    held = attempt()
    await engine.reserve(DROP, [held])
    await engine.redis.hset(engine.keyspace.of_drop(DROP).reservations, held.rid, forged)
    before = await dump(engine.redis)

    for call in (
        engine.confirm(held.rid, "pay1", 100),
        engine.release(held.rid, "ann"),
        engine.expire(DROP, [held.rid]),
    ):
        with pytest.raises(ScriptRefused, match=f"RECORD of {held.rid}"):
            await call
    assert await dump(engine.redis) == before

    answer = await engine.reserve(DROP, [held, attempt("bob")])
    assert [outcome.code for outcome in answer.outcomes] == ["UNREADABLE", "HELD"]
    grants = [Grant(held.rid, "ann"), Grant(random_rid(DROP), "cat")]
    given = await engine.grant(DROP, "bag 1", grants)
    assert [outcome.code for outcome in given] == ["UNREADABLE", "GRANTED"]


@pytest.mark.parametrize("forged", ["", "x", "-1", "1|x", "0"])
async def test_unreadable_holdings_stop_every_verb_before_it_writes(
    engine: RedisEngine, forged: str
) -> None:
    await open_drop(engine, hold_ms=1)
    held = attempt()
    await engine.reserve(DROP, [held])
    await engine.redis.hset(engine.keyspace.of_drop(DROP).buyers, "ann", forged)
    before = await dump(engine.redis)

    calls = [
        engine.confirm(held.rid, "pay1", 100),
        engine.release(held.rid, "ann"),
        engine.expire(DROP, [held.rid]),
    ]
    if forged != "0":  # 0 units are fewer than are held; to reserve, they are as good as any
        calls.append(engine.reserve(DROP, [attempt("ann")]))
    for call in calls:
        with pytest.raises(ScriptRefused, match="HOLDINGS of ann"):
            await call
    assert await dump(engine.redis) == before


async def test_out_of_memory_refuses_before_the_first_write(own_server: Valkey) -> None:
    engine = await engine_on(own_server)
    await open_drop(engine)
    await engine.reserve(DROP, [attempt()])
    before = await dump(engine.redis)
    await engine.redis.config_set("maxmemory", 1)

    with pytest.raises(ScriptRefused, match="memory"):
        await engine.reserve(DROP, [attempt("bob")])
    assert await dump(engine.redis) == before

    await engine.redis.config_set("maxmemory", 0)
    assert (await engine.reserve(DROP, [attempt("bob")])).outcomes[0].code is ReserveCode.HELD


async def test_no_server_means_nothing_was_sent(own_server: Valkey) -> None:
    engine = await engine_on(own_server)
    await open_drop(engine)
    own_server.kill()

    for _ in range(3):
        with pytest.raises((Unreachable, OutcomeUnknown)):
            await engine.reserve(DROP, [attempt()])
    with pytest.raises(Unreachable):  # by now no pooled connection is left that looked alive
        await engine.reserve(DROP, [attempt()])

    own_server.start()
    assert (await engine.reserve(DROP, [attempt()])).outcomes[0].code is ReserveCode.HELD


async def test_a_silent_server_leaves_the_outcome_unknown_and_the_retry_finds_it(
    own_server: Valkey,
) -> None:
    """SIGSTOP: the call is in the socket; it takes effect when the server goes on."""
    engine = await engine_on(own_server, timeout_s=0.3)
    await open_drop(engine)
    once = attempt()
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(OutcomeUnknown):
            await engine.reserve(DROP, [once])
    finally:
        os.kill(own_server.pid, signal.SIGCONT)

    again = (await engine.reserve(DROP, [once])).outcomes[0]

    # Server awake, both calls lie in its sockets: the first one holds.
    assert again.code in (ReserveCode.HELD, ReserveCode.REPLAYED)
    assert (await engine.reserve(DROP, [once])).outcomes[0].code is ReserveCode.REPLAYED
    snapshot = await engine.snapshot(DROP)
    assert snapshot and snapshot.held == 1


async def test_a_pool_without_a_free_connection_means_nothing_was_sent(
    own_server: Valkey,
) -> None:
    engine = await engine_on(own_server, timeout_s=2)
    await open_drop(engine)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        stuck = [asyncio.create_task(engine.reserve(DROP, [attempt(f"b{n}")])) for n in range(2)]
        await until_taken(engine, 2)
        with pytest.raises(NotSent):
            await engine.reserve(DROP, [attempt("late")])
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert [(await one).outcomes[0].code for one in stuck] == [ReserveCode.HELD] * 2


async def test_a_cancelled_call_never_gives_its_reply_to_the_next_one(
    own_server: Valkey,
) -> None:
    engine = await engine_on(own_server)
    await open_drop(engine)
    os.kill(own_server.pid, signal.SIGSTOP)
    torn = asyncio.create_task(engine.reserve(DROP, [attempt("torn")]))
    await until_taken(engine, 1)
    torn.cancel()
    os.kill(own_server.pid, signal.SIGCONT)
    with pytest.raises(asyncio.CancelledError):
        await torn

    for n in range(10):
        answer = await engine.reserve(DROP, [attempt(f"buyer{n}")])
        assert answer.outcomes[0].reservation is None or (
            answer.outcomes[0].reservation.buyer_id == f"buyer{n}"
        )
        assert (await engine.confirm(random_rid(DROP), "p", 1)).code is ConfirmCode.UNKNOWN


async def test_reads_in_one_round_trip_answer_in_order_and_leave_nothing_behind(
    engine: RedisEngine,
) -> None:
    await engine.redis.set("ls:{p00}:one", "1")
    asked = [("GET", "ls:{p00}:one"), ("HGET", "ls:{p00}:one", "a"), ("EXISTS", "ls:{p00}:one")]
    # when one of them is refused, then that is said, and no reply is left for the next call
    for _ in range(3):
        with pytest.raises(ScriptRefused, match="WRONGTYPE"):
            await engine.ask_all(asked)
        assert await engine.ask_all(asked[::2]) == ["1", 1]
    # nor by one that is cancelled in the middle
    while True:
        call = asyncio.ensure_future(engine.ask_all(asked[::2] * 500))
        await until_taken(engine, 1)
        await asyncio.sleep(0)
        call.cancel()
        if (await asyncio.gather(call, return_exceptions=True))[0] != ["1", 1] * 500:
            break
    assert await engine.ask_all([("EXISTS", "ls:{p00}:none")]) == [0]


async def test_acknowledged_holds_survive_sigkill(own_server: Valkey) -> None:
    engine = await engine_on(own_server)
    await open_drop(engine, allotted=10_000)
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def buyer(number: int) -> None:
        for n in range(10_000):
            one = attempt(f"buyer{number}-{n}")
            try:
                await engine.reserve(DROP, [one])
            except (OutcomeUnknown, NotSent):
                return
            acknowledged.append(one.rid)
            if len(acknowledged) == 50:
                enough.set()

    crowd = [asyncio.create_task(buyer(number)) for number in range(2)]
    await enough.wait()
    own_server.kill()
    await asyncio.gather(*crowd)
    own_server.start()

    for rid in acknowledged:
        assert await engine.reservation(rid), f"{rid} was acknowledged and is gone"
    snapshot = await engine.snapshot(DROP)
    assert snapshot
    assert len(acknowledged) <= snapshot.held <= len(acknowledged) + 2


async def test_the_log_reader_reads_waits_measures_and_trims(redis: Redis) -> None:
    reader = LogReader(redis, "ls:{p00}:log")
    assert (await reader.info()).last_id == START
    assert await reader.read(START, 10) == []
    ids = [await redis.xadd(reader.key, {"n": n}) for n in range(300)]

    assert [entry_id for entry_id, _ in await reader.read(START, 2)] == ids[:2]
    assert [fields["n"] for _, fields in await reader.between(ids[1], ids[4])] == ["2", "3", "4"]
    waiting = asyncio.create_task(reader.read(ids[-1], 10, block_ms=2_000))
    while not (await redis.info("clients"))["blocked_clients"]:
        pass
    fresh = await redis.xadd(reader.key, {"n": "new"})
    assert await waiting == [(fresh, {"n": "new"})]

    await reader.trim(ids[-1])
    info = await reader.info()
    assert (info.last_id, info.entries_added) == (fresh, 301)
    assert info.length < 301
    kept = [entry_id for entry_id, _ in await reader.between(START, "+")]
    assert {ids[-1], fresh} <= set(kept), "the entry at the offset stays"


async def test_a_connection_takes_the_keyspace_it_is_given(redis: Redis) -> None:
    """Two deployments with other partitions do not meet."""
    other = Keyspace(1, prefix="other")
    await redis.set(other.epoch(0), 1)
    engine = RedisEngine(redis, other, {0: 1})
    await open_drop(engine)

    assert all(key.startswith("other:{p00}:") for key in await redis.keys())


async def test_a_cancellation_always_ends_the_task(engine: RedisEngine) -> None:
    """It may come in any tick of a call: none of them may swallow it, or a shutdown never ends."""
    await open_drop(engine)

    async def work_for_ever() -> None:
        while True:
            try:
                await engine.snapshot(DROP)
            except (NotSent, OutcomeUnknown):
                continue  # what a robust loop does

    for ticks in range(400):
        task = asyncio.create_task(work_for_ever())
        for _ in range(ticks % 40):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        if not done:
            task.cancel()
        assert done, f"cancelled after {ticks % 40} ticks, it went on"
        assert task.cancelled()


async def test_strays_leave_the_due_list_and_touch_nothing_else(engine: RedisEngine) -> None:
    """Members without a hold or a drop, as hands or a defect may leave them."""
    await open_drop(engine)
    held = attempt()
    await engine.reserve(DROP, [held])
    keys, partition = engine.keyspace.of_drop(DROP), engine.keyspace.partition_of(DROP)
    stray, unknown = random_rid(DROP), "gone"
    unknown_keys = engine.keyspace.of_drop(unknown)
    await engine.redis.zadd(keys.due, {stray: 1})
    await engine.redis.zadd(unknown_keys.due, {unknown: 1, random_rid(unknown): 1})
    entries = (await LogReader(engine.redis, keys.log).info()).entries_added

    for number in range(engine.keyspace.partitions):
        for member in await engine.due(number, 10):
            drop_id, dash, _ = member.partition("-")
            if dash:
                assert await engine.expire(drop_id, [member]) == 0
            else:
                await engine.close_drop(drop_id, only_when_due=True)

    assert await engine.due(partition, 10) == []
    assert await engine.due(engine.keyspace.partition_of(unknown), 10) == []
    assert set(await engine.redis.zrange(keys.due, 0, -1)) == {held.rid, DROP}
    assert (await LogReader(engine.redis, keys.log).info()).entries_added == entries
