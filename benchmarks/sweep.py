"""Much work due at once: a hundred thousand holds expire, ten thousand drops open.

Both run as in the keeper and the service, against a Valkey with `appendfsync always`: from the
first call until Valkey has done everything. The CPU time is Valkey's.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import uvloop

from benchmarks import names
from benchmarks.machine import LOAD_CORE, SERVER_CORE, cpu_s, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from livesale.sales.expiry import Sweeper
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import MAX_BATCH, Attempt, DropTerms, OpenCode
from tests.servers import Valkey

FIGURE = "sweep"
HOUR_MS = 3_600_000
HOLD_MS = 60_000  # longer than the time to make the holds
T = TypeVar("T")

AT_ONCE = 8  # concurrent calls: the size of a process's connection pool


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round on a fresh server."""
    valkey = Valkey()
    try:
        with pinned(LOAD_CORE):
            valkey.start()
        with pinned(SERVER_CORE):
            uvloop.run(_measure(valkey, scale, records))
    finally:
        valkey.remove()


async def _measure(valkey: Valkey, scale: Scale, records: Records) -> None:
    redis, keyspace = connect(valkey.url), Keyspace(1)
    await redis.set(keyspace.epoch(0), 1)
    engine = RedisEngine(redis, keyspace, {0: 1})
    await engine.load_scripts()
    try:
        await _open(engine, valkey, scale.drops, records)
        await _expire(engine, valkey, scale.holds, records)
    finally:
        await redis.aclose()


async def _open(engine: RedisEngine, valkey: Valkey, count: int, records: Records) -> None:
    now_ms = await engine.now_ms()
    terms = DropTerms(now_ms, now_ms + HOUR_MS, HOLD_MS, 1, 9_900, 100)
    drops = [new_id() for _ in range(count)]
    started_s, cpu_before_s = time.perf_counter(), cpu_s(valkey.pid)
    codes = await _some_at_once([engine.open_drop(drop_id, terms) for drop_id in drops])
    if set(codes) != {OpenCode.OPENED}:
        raise RuntimeError(f"not every drop was opened: {set(codes)}")
    _take_down(records, names.OPEN, count, started_s, cpu_s(valkey.pid) - cpu_before_s)


async def _expire(engine: RedisEngine, valkey: Valkey, count: int, records: Records) -> None:
    now_ms = await engine.now_ms()
    # All deadlines have passed `hold_ms` after the last hold.
    hold_ms = max(1, count // 20)
    drop_id = new_id()
    await engine.open_drop(drop_id, DropTerms(now_ms, now_ms + HOUR_MS, hold_ms, 1, 9_900, count))
    attempts = [Attempt(random_rid(drop_id), f"buyer-{number}") for number in range(count)]
    batches = [attempts[at : at + MAX_BATCH] for at in range(0, count, MAX_BATCH)]
    await _some_at_once([engine.reserve(drop_id, batch) for batch in batches])
    await asyncio.sleep(hold_ms / 1000)
    started_s, cpu_before_s = time.perf_counter(), cpu_s(valkey.pid)
    done = await Sweeper(engine, 0).sweep()
    snapshot = await engine.snapshot(drop_id)
    if done.expired != count or snapshot is None or snapshot.available != count:
        raise RuntimeError(f"{done.expired} of {count} holds expired: {snapshot}")
    _take_down(records, names.EXPIRE, count, started_s, cpu_s(valkey.pid) - cpu_before_s)


def _take_down(records: Records, name: str, count: int, started_s: float, valkey_s: float) -> None:
    per_s = count / (time.perf_counter() - started_s)
    records.add(FIGURE, name, per_s, f"/s, of {count:,}", 1e6 * valkey_s / count)


async def _some_at_once(calls: Sequence[Awaitable[T]]) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with gate:
            return await call

    return await asyncio.gather(*map(one, calls))
