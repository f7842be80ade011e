"""How many reservations a second `stock` makes by itself: Python to Valkey and back, no HTTP.

Batches of 1, 8, 64 and 256 attempts with two calls in flight, and single attempts from 512 callers
through the batcher; once with nothing on disk and once with `appendfsync always`. Python is pinned
to one core and the server to another; the cells are interleaved round by round, each round on a
fresh drop. `python -m benchmarks.engine [--rounds N] [--json | --markdown]`.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import uvloop
from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

from stock.batcher import Batcher
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms, ReserveCode
from tests.servers import Valkey

BATCHES = (1, 8, 64, 256)
CALLERS = 512
IN_FLIGHT = 2
HOUR_MS = 3_600_000
DURABILITIES = {"memory": False, "fsync": True}


class Cell(Struct):
    """One figure: reservations a second of each round, Python's CPU per reservation in µs."""

    name: str
    durability: str
    per_s: list[float] = []
    cpu_us: list[float] = []


class Result(Struct):
    cells: list[Cell]
    server: str
    python: str
    cores: int


async def measure(rounds: int, reservations: int) -> Result:
    """Run every cell `rounds` times, interleaved."""
    servers = {name: Valkey(durable=durable) for name, durable in DURABILITIES.items()}
    cells = [
        Cell(name, durability)
        for durability in servers
        for name in (*(f"batches of {size}" for size in BATCHES), f"batcher, {CALLERS} callers")
    ]
    try:
        for server in servers.values():
            server.start()
        _pin(*[server.pid for server in servers.values()])
        version = ""
        for _ in range(rounds):
            for cell in cells:
                engine = await _engine(servers[cell.durability])
                info = await engine.redis.info("server")
                version = info.get("valkey_version") or info["redis_version"]
                await _run(cell, engine, reservations)
                await engine.redis.aclose()
    finally:
        for server in servers.values():
            server.remove()
    return Result(cells, version, platform.python_version(), os.cpu_count() or 1)


def _pin(*pids: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    os.sched_setaffinity(0, {cores[0]})
    for pid in pids:
        os.sched_setaffinity(pid, {cores[1]})


async def _engine(server: Valkey) -> RedisEngine:
    keyspace = Keyspace(1)
    redis = connect(server.url)
    await redis.flushall()
    await redis.set(keyspace.epoch(0), 1)
    engine = RedisEngine(redis, keyspace, {0: 1})
    await engine.load_scripts()
    return engine


async def _run(cell: Cell, engine: RedisEngine, reservations: int) -> None:
    drop_id, now_ms = new_id(), await engine.now_ms()
    await engine.open_drop(
        drop_id, DropTerms(now_ms, now_ms + HOUR_MS, 60_000, 1, 9_900, reservations)
    )
    attempts = [Attempt(random_rid(drop_id), f"buyer-{n:018d}") for n in range(reservations)]
    if cell.name.startswith("batches of "):
        size = int(cell.name.rpartition(" ")[2])
        # Small batches pay a round trip each: fewer of them say the same in less time.
        attempts = attempts[: min(reservations, size * 4_000)]
        tasks, reserve = IN_FLIGHT, _batches(engine, drop_id, attempts, size)
    else:
        tasks, reserve = CALLERS, _singles(Batcher(engine, deadline_s=60), drop_id, attempts)
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*[reserve() for _ in range(tasks)])
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    snapshot = await engine.snapshot(drop_id)
    if snapshot is None or snapshot.held != len(attempts):
        raise RuntimeError(f"{cell.name}: not every attempt was held: {snapshot}")
    cell.per_s.append(len(attempts) / elapsed_s)
    cell.cpu_us.append(1e6 * cpu_s / len(attempts))


def _batches(
    engine: RedisEngine, drop_id: str, attempts: list[Attempt], size: int
) -> Callable[[], Awaitable[None]]:
    batches = iter([attempts[n : n + size] for n in range(0, len(attempts), size)])

    async def reserve() -> None:
        for batch in batches:
            await engine.reserve(drop_id, batch)

    return reserve


def _singles(
    batcher: Batcher, drop_id: str, attempts: list[Attempt]
) -> Callable[[], Awaitable[None]]:
    left: Iterator[Attempt] = iter(attempts)

    async def reserve() -> None:
        for attempt in left:
            outcome = await batcher.reserve(drop_id, attempt)
            if outcome.code is not ReserveCode.HELD:
                raise RuntimeError(f"not held: {outcome}")

    return reserve


def table_of(result: Result) -> Table:
    """The figures as people read them."""
    table = Table(title=f"the engine alone, reservations/s · Valkey {result.server}")
    for column in ("", "durability", "min", "median", "max", "Python µs each"):
        table.add_column(column, justify="left" if column in ("", "durability") else "right")
    for cell in result.cells:
        low, middle, high = min(cell.per_s), statistics.median(cell.per_s), max(cell.per_s)
        figures = [f"{figure:,.0f}" for figure in (low, middle, high)]
        cpu_us = f"{statistics.median(cell.cpu_us):.1f}"
        table.add_row(cell.name, cell.durability, *figures, cpu_us)
    return table


def markdown_of(result: Result) -> str:
    """The same table as docs/benchmarks.md has it."""
    lines = [
        f"Valkey {result.server}, Python {result.python}, {result.cores} cores; "
        f"{len(result.cells[0].per_s)} rounds; reservations/s:",
        "",
        "| | durability | min | median | max | Python µs each |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for cell in result.cells:
        figures = (min(cell.per_s), statistics.median(cell.per_s), max(cell.per_s))
        shown = " | ".join(f"{figure:,.0f}" for figure in figures)
        cpu_us = statistics.median(cell.cpu_us)
        lines.append(f"| {cell.name} | {cell.durability} | {shown} | {cpu_us:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reservations", type=int, default=50_000, help="per round and cell")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--markdown", action="store_true", help="print the table of the docs")
    options = parser.parse_args()
    result = uvloop.run(measure(options.rounds, options.reservations))
    if options.json:
        json.dump(
            structs.asdict(result) | {"cells": [structs.asdict(c) for c in result.cells]},
            sys.stdout,
        )
        print()
    elif options.markdown:
        print(markdown_of(result))
    else:
        Console().print(table_of(result))


if __name__ == "__main__":
    main()
