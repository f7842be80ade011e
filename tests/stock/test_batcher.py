"""The batcher: what goes into a batch, what is bounded, and whose fault is whose."""

import asyncio
from collections.abc import Sequence

import pytest

from stock.batcher import MAX_IN_FLIGHT, Batcher
from stock.errors import (
    DeadlinePassed,
    OutcomeUnknown,
    Overloaded,
    ScriptRefused,
    StockError,
    Unreachable,
)
from stock.gateway import RedisEngine
from stock.ids import random_rid
from stock.model import Attempt, BatchOutcome, DropTerms, Outcome, ReserveCode
from stock.twin import TwinEngine

DROP = "shoes"


class GatedEngine(TwinEngine):
    """The twin behind a gate: calls wait on the wire until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Attempt]] = []
        self.gates: list[asyncio.Event] = []
        self.fault: StockError | None = None
        self.open = False

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        self.batches.append(list(attempts))
        gate = asyncio.Event()
        self.gates.append(gate)
        if not self.open:
            await gate.wait()
        if self.fault:
            raise self.fault
        return await super().reserve(drop_id, attempts)

    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


@pytest.fixture
async def engine() -> GatedEngine:
    engine = GatedEngine()
    await engine.open_drop(DROP, DropTerms(0, 10**12 * 9, 60_000, 1, 100, 1_000))
    return engine


def some(count: int, start: int = 0) -> list[Attempt]:
    return [Attempt(random_rid(DROP), f"buyer{n}") for n in range(start, start + count)]


async def ticks(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_attempts_of_one_tick_leave_as_one_call_at_once(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    engine.open = True

    outcomes = await asyncio.gather(*[batcher.reserve(DROP, one) for one in some(100)])

    assert engine.sizes() == [100]
    assert [outcome.code for outcome in outcomes] == [ReserveCode.HELD] * 100


async def test_each_caller_gets_the_answer_to_its_own_attempt(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    engine.open = True
    attempts = some(300)

    outcomes = await asyncio.gather(*[batcher.reserve(DROP, one) for one in attempts])

    assert [o.reservation and o.reservation.rid for o in outcomes] == [a.rid for a in attempts]


async def test_what_comes_meanwhile_waits_and_leaves_together(engine: GatedEngine) -> None:
    """At most two calls in flight, at most 256 attempts in each."""
    batcher = Batcher(engine)
    futures = [batcher.submit(DROP, one) for one in some(1)]
    await ticks()
    futures += [batcher.submit(DROP, one) for one in some(2, 1)]
    await ticks()
    futures += [batcher.submit(DROP, one) for one in some(400, 3)]
    await ticks()
    assert engine.sizes() == [1, 2]
    assert (batcher.in_flight, batcher.queued) == (MAX_IN_FLIGHT, 400)

    engine.gates[0].set()
    await ticks()
    assert engine.sizes() == [1, 2, 256]
    engine.open = True
    for gate in engine.gates:
        gate.set()
    await asyncio.gather(*futures)
    assert engine.sizes() == [1, 2, 256, 144]


async def test_drops_do_not_wait_for_each_other(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    await engine.open_drop("hats", DropTerms(0, 10**12 * 9, 60_000, 1, 100, 5))
    batcher.submit(DROP, some(1)[0])
    batcher.submit(DROP, some(1)[0])
    batcher.submit("hats", Attempt(random_rid("hats"), "ann"))
    await ticks()

    assert engine.sizes() == [2, 1]
    for gate in engine.gates:
        gate.set()
    await batcher.drain()


async def test_a_full_queue_refuses_and_queues_nothing(engine: GatedEngine) -> None:
    batcher = Batcher(engine, max_queue=10)
    first = [batcher.submit(DROP, one) for one in some(1)]
    await ticks()
    first += [batcher.submit(DROP, one) for one in some(1)]
    await ticks()
    queued = [batcher.submit(DROP, one) for one in some(10, 2)]

    with pytest.raises(Overloaded, match="10 attempts wait"):
        batcher.submit(DROP, some(1, 50)[0])

    assert batcher.queued == 10
    engine.open = True
    for gate in engine.gates:
        gate.set()
    await asyncio.gather(*first, *queued)
    assert sum(engine.sizes()) == 12


async def test_a_deadline_in_the_queue_means_nothing_was_sent(engine: GatedEngine) -> None:
    batcher = Batcher(engine, deadline_s=0.05)
    flying = [batcher.submit(DROP, some(1)[0])]
    await ticks()
    flying += [batcher.submit(DROP, some(1, 1)[0])]
    await ticks()
    queued = batcher.submit(DROP, some(1, 2)[0])

    with pytest.raises(DeadlinePassed):
        await queued
    for future in flying:
        with pytest.raises(OutcomeUnknown, match="deadline"):
            await future
    for gate in engine.gates:
        gate.set()
    await batcher.drain()
    assert engine.sizes() == [1, 1]  # the queued one never left
    assert len(engine._drops[DROP].reservations) == 2  # those on the wire took effect


async def test_a_cancelled_caller_does_not_tear_the_call_on_the_wire(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    attempts = some(3)
    callers = [asyncio.create_task(batcher.reserve(DROP, one)) for one in attempts]
    await ticks()
    assert engine.sizes() == [3]

    callers[0].cancel()
    await ticks()
    engine.gates[0].set()
    others = await asyncio.gather(*callers[1:])

    assert callers[0].cancelled()
    assert [outcome.code for outcome in others] == [ReserveCode.HELD] * 2
    again = await engine.reservation(attempts[0].rid)
    assert again, "the call went on without its caller"


async def test_a_caller_cancelled_in_the_queue_takes_no_unit(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    flying = []
    for n in range(2):
        flying.append(batcher.submit(DROP, some(1, n)[0]))
        await ticks()
    gone, stays = some(2, 2)
    left = asyncio.create_task(batcher.reserve(DROP, gone))
    waits = asyncio.create_task(batcher.reserve(DROP, stays))
    await ticks()

    left.cancel()
    await ticks()
    engine.open = True
    for gate in engine.gates:
        gate.set()

    assert (await waits).code is ReserveCode.HELD
    assert await engine.reservation(gone.rid) is None
    await asyncio.gather(*flying)


@pytest.mark.parametrize(
    "fault", [OutcomeUnknown("cut"), Unreachable("no route"), ScriptRefused("OOM"), StockError("x")]
)
async def test_a_fault_of_the_call_reaches_every_caller_as_its_own(
    engine: GatedEngine, fault: StockError
) -> None:
    batcher = Batcher(engine)
    engine.open, engine.fault = True, fault

    got = await asyncio.gather(
        *[batcher.reserve(DROP, one) for one in some(3)], return_exceptions=True
    )

    assert [(type(one), str(one)) for one in got] == [(type(fault), str(fault))] * 3
    assert len({id(one) for one in got}) == 3
    engine.fault = None
    assert (await batcher.reserve(DROP, some(1, 9)[0])).code is ReserveCode.HELD


async def test_an_idle_drop_leaves_nothing_behind(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    engine.open = True

    for n in range(50):
        unknown = f"drop{n}"
        outcome = await batcher.reserve(unknown, Attempt(random_rid(unknown), "ann"))
        assert outcome.code is ReserveCode.UNKNOWN_DROP
    await batcher.drain()

    assert batcher._lanes == {}


async def test_listeners_hear_of_each_batch_before_its_callers_go_on(engine: GatedEngine) -> None:
    batcher = Batcher(engine)
    engine.open = True
    heard: list[tuple[str, float, list[Outcome]]] = []
    batcher.listeners.append(lambda drop, sent, answer: heard.append((drop, sent, answer.outcomes)))

    before = asyncio.get_running_loop().time()
    await batcher.reserve(DROP, some(1)[0])

    [(drop, sent_at, outcomes)] = heard
    assert drop == DROP
    assert before <= sent_at <= asyncio.get_running_loop().time()
    assert [outcome.code for outcome in outcomes] == [ReserveCode.HELD]


async def test_a_crowd_through_the_real_engine_gets_exactly_the_stock(
    redis_server, redis, keyspace
) -> None:
    """3,000 buyers, quantities 1 to 3, every key twice, 500 units."""
    for partition in range(keyspace.partitions):
        await redis.set(keyspace.epoch(partition), 1)
    real = RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
    now = await real.now_ms()
    await real.open_drop(DROP, DropTerms(now, now + 10**7, 60_000, 3, 100, 500))
    batcher = Batcher(real, deadline_s=30)
    attempts = [Attempt(random_rid(DROP), f"buyer{n}", n % 3 + 1) for n in range(3_000)]

    twice = [one for one in attempts for _ in range(2)]
    outcomes = await asyncio.gather(*[batcher.reserve(DROP, one) for one in twice])

    held = [o.reservation for o in outcomes if o.code is ReserveCode.HELD and o.reservation]
    replayed = {
        o.reservation.rid for o in outcomes if o.code is ReserveCode.REPLAYED and o.reservation
    }
    snapshot = await real.snapshot(DROP)
    assert snapshot
    assert sum(claim.quantity for claim in held) == snapshot.held == 500
    assert {claim.rid for claim in held} == replayed
    assert snapshot.available == 0
