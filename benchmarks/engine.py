"""Reservations a second of `stock` alone: Python to Valkey and back, no HTTP.

Batches of 1, 8, 64 and 256 attempts with two calls in flight, and single attempts from 512 callers
through the batcher; once without persistence and once with `appendfsync always`. Python is pinned
to one core and the server to another. Each cell sells a new drop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import uvloop

from benchmarks import names
from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from stock.batcher import Batcher
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms, ReserveCode
from tests.servers import Valkey

FIGURE = "engine"
BATCHES = (1, 8, 64, 256)
FILLED_AT_ONCE = 50_000
CALLERS = 512
IN_FLIGHT = 2
HOUR_MS = 3_600_000
DURABILITIES = {"memory": False, "fsync": True}

Reserve = Callable[[], Awaitable[None]]


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round on fresh servers."""
    with ExitStack() as stack:
        servers = {name: Valkey(durable=durable) for name, durable in DURABILITIES.items()}
        for server in servers.values():
            stack.callback(server.remove)
            with pinned(LOAD_CORE):
                server.start()
        with pinned(SERVER_CORE):
            for durability, server in servers.items():
                uvloop.run(_measure(server, durability, scale.reservations, records))


async def _measure(server: Valkey, durability: str, reservations: int, records: Records) -> None:
    redis, keyspace = connect(server.url), Keyspace(1)
    await redis.set(keyspace.epoch(0), 1)
    engine = RedisEngine(redis, keyspace, {0: 1})
    await engine.load_scripts()
    try:
        for size in BATCHES:
            # Each small batch costs a round trip: fewer of them are enough.
            attempts = await _attempts(engine, min(reservations, size * 4_000))
            rate, cpu_us = await sell_batches(engine, attempts, size)
            records.add(FIGURE, names.batches(size, durability), rate, "reservations/s", cpu_us)
        attempts = await _attempts(engine, reservations)
        rate, cpu_us = await _sell_singles(engine, attempts)
        records.add(FIGURE, names.batcher(CALLERS, durability), rate, "reservations/s", cpu_us)
    finally:
        await redis.aclose()


class Buyers:
    """Attempts on one drop; every buyer gets a unit."""

    def __init__(self, drop_id: str, prefix: str, count: int) -> None:
        self.drop_id = drop_id
        self.attempts = [
            Attempt(random_rid(drop_id), f"{prefix}-{number:011d}") for number in range(count)
        ]


async def _attempts(engine: RedisEngine, count: int) -> Buyers:
    """Attempts on a new drop that has a unit for each buyer."""
    drop_id, now_ms = new_id(), await engine.now_ms()
    terms = DropTerms(now_ms, now_ms + HOUR_MS, 60_000, 1, 9_900, count)
    await engine.open_drop(drop_id, terms)
    return Buyers(drop_id, "buyer", count)


async def sell_batches(engine: RedisEngine, buyers: Buyers, size: int) -> tuple[float, float]:
    """Reservations a second, and Python's CPU time for one in µs."""
    batches = iter([buyers.attempts[n : n + size] for n in range(0, len(buyers.attempts), size)])

    async def reserve() -> None:
        for batch in batches:
            await engine.reserve(buyers.drop_id, batch)

    return await _timed(engine, buyers, reserve, IN_FLIGHT)


async def fill(engine: RedisEngine, drop_id: str, count: int) -> None:
    """Sell so many units of a drop, each to another buyer."""
    for first in range(0, count, FILLED_AT_ONCE):
        buyers = Buyers(drop_id, f"filler-{first}", min(FILLED_AT_ONCE, count - first))
        await sell_batches(engine, buyers, max(BATCHES))


async def _sell_singles(engine: RedisEngine, buyers: Buyers) -> tuple[float, float]:
    batcher = Batcher(engine, deadline_s=60)
    left: Iterator[Attempt] = iter(buyers.attempts)

    async def reserve() -> None:
        for attempt in left:
            outcome = await batcher.reserve(buyers.drop_id, attempt)
            if outcome.code is not ReserveCode.HELD:
                raise RuntimeError(f"not held: {outcome}")

    return await _timed(engine, buyers, reserve, CALLERS)


async def _timed(
    engine: RedisEngine, buyers: Buyers, reserve: Reserve, tasks: int
) -> tuple[float, float]:
    """Run it in `callers` tasks. Raises RuntimeError unless every attempt is held."""
    before = await _held(engine, buyers.drop_id)
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*[reserve() for _ in range(tasks)])
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    count = len(buyers.attempts)
    held = await _held(engine, buyers.drop_id) - before
    if held != count:
        raise RuntimeError(f"{held} of {count} attempts were held")
    return count / elapsed_s, 1e6 * cpu_s / count


async def _held(engine: RedisEngine, drop_id: str) -> int:
    snapshot = await engine.snapshot(drop_id)
    return snapshot.held if snapshot else 0
