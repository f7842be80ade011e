"""A million people join a line: joins a second, bytes a place, and how long a position takes.

    python -m benchmarks.line [--people 1000000]

Python is pinned to one core, the server to another; batches of 256, two calls in flight, with
`appendfsync always`. Beside it, in the same run, aiohttp that answers a constant ("hello").
"""

import argparse
import asyncio
import time

import uvloop

from benchmarks import closed_loop
from benchmarks.http import hello
from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from livesale.draws.order import Order
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id
from stock.keyspace import Keyspace
from stock.line.checks import commitment_of
from stock.line.model import LineCloseCode, LineTerms
from stock.model import MAX_BATCH, DropTerms
from tests.servers import Valkey

SEED = "5e" * 32
SECONDS = 5
POSITIONS = 20_000
GATHER_MS = 1_500_000


async def _join(server: Valkey, people: int) -> None:
    redis, keyspace = connect(server.url), Keyspace(1)
    await redis.set(keyspace.epoch(0), 1)
    engine = RedisEngine(redis, keyspace, {0: 1})
    await engine.load_scripts()
    drop_id, now_ms = new_id(), await engine.now_ms()
    terms = DropTerms(
        now_ms + GATHER_MS, now_ms + 2 * GATHER_MS, 60_000, 1, 9_900, 500, 0, ticket_required=True
    )
    await engine.open_drop(drop_id, terms)
    await engine.line.open(drop_id, LineTerms(commitment_of(SEED), 60_000, 1_000, people))
    names = [f"buyer-{number:026d}" for number in range(people)]  # 32 characters, as in WeChat
    batches = iter([names[n : n + MAX_BATCH] for n in range(0, people, MAX_BATCH)])

    async def join() -> None:
        for batch in batches:
            await engine.line.join(drop_id, batch)

    before = (await redis.info("memory"))["used_memory"]
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(join(), join())
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    with_log = (await redis.info("memory"))["used_memory"] - before
    await redis.xtrim(keyspace.log(0), maxlen=0, approximate=False)
    places = (await redis.info("memory"))["used_memory"] - before
    line = await engine.line.snapshot(drop_id)
    if line is None or line.n != people:
        raise RuntimeError(f"not everybody has a place: {line}")
    print(
        f"joins: {people / elapsed_s:,.0f} a second, {1e6 * cpu_s / people:.1f} µs of Python each"
    )
    print(f"memory: {places / people:.0f} bytes a place, {with_log / people:.0f} with the log")
    started_s = time.perf_counter()
    for batch in (names[n : n + MAX_BATCH] for n in range(0, 100 * MAX_BATCH, MAX_BATCH)):
        await engine.line.join(drop_id, batch)
    again_s = time.perf_counter() - started_s
    print(f"joining again: {100 * MAX_BATCH / again_s:,.0f} a second")
    if await engine.line.close(drop_id, SEED) is not LineCloseCode.TOO_EARLY:
        raise RuntimeError("the gathering took longer than the benchmark allows")
    await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    people: int = parser.parse_args().people
    server = Valkey(durable=True)
    try:
        with pinned(LOAD_CORE):
            server.start()
        with pinned(SERVER_CORE):
            uvloop.run(_join(server, people))
            order = Order(SEED, people, "1790000000000-3")
            started_s = time.perf_counter()
            for index in range(POSITIONS):
                order.position_of(index)
            took_us = 1e6 * (time.perf_counter() - started_s) / POSITIONS
        print(f"a position: {took_us:.1f} µs")
    finally:
        server.remove()
    with hello() as beside:
        beside.wait()
        with pinned(LOAD_CORE):
            shot = closed_loop.get(beside.url, SECONDS)
    print(f"hello: {shot.per_s:,.0f} requests a second")


if __name__ == "__main__":
    main()
