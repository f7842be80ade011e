"""Several primaries: attempts a second on one and on two, and what one that is away costs the rest.

    python -m benchmarks.shards [--seconds 3] [--rounds 3] [--strict]

A cluster of 3 + 3 on 127.0.0.1 with `appendfsync always`; the client is one process of Python, so
on two cores it shares them with all six nodes: more primaries cannot make it faster here, only show
what routing costs. Batches of 256; rounds on one and on two primaries alternate. Then small batches
come at a steady rate on two primaries, one of which dies with its replica and comes back, again and
again: the latencies on the other, before and while it is away. `--strict` exits with 1 if the
median of the ratios of their p99 is above 1.2.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

import uvloop

from stock.connection import connect
from stock.errors import StockError
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import MAX_BATCH, Attempt, DropTerms, ReserveCode
from stock.topology.slots import slot_of
from tests.cluster import ShardedCluster

IN_FLIGHT = 2  # as in the batcher
STEADY = 20  # attempts in a batch of the second part
PAUSE_S = 0.01  # between two of them
MOST_RATIO = 1.2


async def _open_drop(engine: RedisEngine, partition: int) -> str:
    while engine.keyspace.partition_of(drop_id := new_id()) != partition:
        pass
    now_ms = await engine.now_ms(partition)
    terms = DropTerms(now_ms, now_ms + 10**7, 10**6, 1, 100, 10_000_000)
    await engine.open_drop(drop_id, terms)
    return drop_id


def _batch(drop_id: str, size: int) -> list[Attempt]:
    return [Attempt(rid := random_rid(drop_id), rid[-16:]) for _ in range(size)]


async def _per_s(engine: RedisEngine, drop_ids: Sequence[str], seconds: float) -> float:
    """Attempts a second, two calls in flight for each drop."""
    done, ends = 0, time.perf_counter() + seconds

    async def sell(drop_id: str) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            batch = await engine.reserve(drop_id, _batch(drop_id, MAX_BATCH))
            done += sum(outcome.code is ReserveCode.HELD for outcome in batch.outcomes)

    calls = [sell(drop_id) for drop_id in drop_ids for _ in range(2 * IN_FLIGHT // len(drop_ids))]
    await asyncio.gather(*calls)
    return done / seconds


class _Steady:
    """Small batches at a steady rate, each with its latency; those that fail do not count."""

    def __init__(self, engine: RedisEngine, drop_id: str) -> None:
        self._engine = engine
        self._drop_id = drop_id
        self.latencies_ms: list[float] = []
        self.failed = 0

    async def run(self, ends_s: float) -> None:
        async with asyncio.TaskGroup() as calls:
            due_s = time.perf_counter()
            while due_s < ends_s:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                calls.create_task(self._call(due_s))
                due_s += PAUSE_S

    async def _call(self, due_s: float) -> None:
        try:
            await self._engine.reserve(self._drop_id, _batch(self._drop_id, STEADY))
        except StockError:
            self.failed += 1
        else:
            self.latencies_ms.append((time.perf_counter() - due_s) * 1000)


def _p99(latencies_ms: Sequence[float]) -> float:
    return statistics.quantiles(latencies_ms, n=100)[98]


async def _both(engine: RedisEngine, drop_ids: Sequence[str], seconds: float) -> list[_Steady]:
    runs = [_Steady(engine, drop_id) for drop_id in drop_ids]
    ends_s = time.perf_counter() + seconds
    await asyncio.gather(*[run.run(ends_s) for run in runs])
    return runs


async def _sells(engine: RedisEngine, drop_id: str) -> bool:
    try:
        await engine.reserve(drop_id, _batch(drop_id, 1))
    except StockError:
        return False
    return True


async def _measure(cluster: ShardedCluster, seconds: float, rounds: int) -> float:
    keyspace = Keyspace(6)
    redis = connect(cluster.url, connections=8, timeout_s=2.0)
    for partition in range(keyspace.partitions):
        await redis.set(keyspace.epoch(partition), 1)
    engine = RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
    await engine.load_scripts()
    nodes = [cluster.primary_of(slot_of(keyspace.epoch(number))) for number in range(6)]
    first = 0
    second = next(number for number in range(6) if nodes[number] is not nodes[first])
    drop_ids = [await _open_drop(engine, number) for number in (first, second)]
    one, two = [], []
    for _ in range(rounds):
        one.append(await _per_s(engine, drop_ids[:1], seconds))
        two.append(await _per_s(engine, drop_ids, seconds))
    print(f"on one primary:  {statistics.median(one):,.0f} attempts a second")
    print(f"on two:          {statistics.median(two):,.0f}")
    away = nodes[second]
    lost = [away, cluster.replicas[cluster.primaries.index(away)]]
    ratios, calls, failed = [], [], 0
    for _ in range(rounds):
        before, _ = await _both(engine, drop_ids, seconds)
        for node in reversed(lost):  # the replica first: nobody takes over
            node.kill()
        after, gone = await _both(engine, drop_ids, seconds)
        for node in lost:
            node.start()
        while not await _sells(engine, drop_ids[1]):  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.05)
        failed += gone.failed
        calls.append((_p99(before.latencies_ms), _p99(after.latencies_ms)))
        ratios.append(calls[-1][1] / calls[-1][0])
        if before.failed + after.failed:
            raise RuntimeError("calls to the primary that is there failed")
    for there_ms, away_ms in calls:
        print(f"p99 with both there {there_ms:.1f} ms, with one away {away_ms:.1f} ms")
    ratio = statistics.median(ratios)
    print(f"the median of the ratios is {ratio:.2f}; {failed} calls to the other failed")
    await redis.aclose()
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strict", action="store_true")
    args = parser.parse_args()
    cluster = ShardedCluster(3, "--appendfsync", "always")
    cluster.start()
    try:
        ratio = uvloop.run(_measure(cluster, args.seconds, args.rounds))
    finally:
        cluster.remove()
    if args.strict and ratio > MOST_RATIO:
        sys.exit(1)


if __name__ == "__main__":
    main()
