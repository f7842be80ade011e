"""The engine's driver in earnest, on the cores of this machine, as `plays.drive` simulates it."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

import uvloop
from msgspec import Struct

from benchmarks.engine import HOUR_MS
from benchmarks.machine import pinned
from benchmarks.simulation.plays import Layout
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms
from tests.servers import Valkey

IN_FLIGHT = 2
SECONDS = 1.0
MOST_PER_S = 150_000
AHEAD_S = 0.2


class _Order(Struct, frozen=True):
    urls: tuple[str, ...]
    core: int
    batch: int


def drive_really(layout: Layout, batch: int, cores: Sequence[int]) -> float:
    """Reservations a second. `cores` are the real ones of the layout's 0 and 1."""
    with ExitStack() as stack:
        orders = []
        for driver, places in layout.pairs:
            servers = [Valkey() for _ in places]
            for server, place in zip(servers, places, strict=True):
                stack.callback(server.remove)
                with pinned(cores[place]):
                    server.start()
            urls = tuple(server.url for server in servers)
            orders.append(_Order(urls, cores[driver], batch))
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(len(orders), context))
        ready = list(pool.map(_warm, orders))  # each process has imported all it needs
        starts_s = time.time() + 1.0 + 0.2 * len(ready)
        return sum(pool.map(_drive, orders, [starts_s] * len(orders)))


def _warm(order: _Order) -> int:
    time.sleep(AHEAD_S)  # so that the other process takes the other order
    return order.core


def _drive(order: _Order, starts_s: float) -> float:
    with pinned(order.core):
        return uvloop.run(_sell(order, starts_s))


async def _sell(order: _Order, starts_s: float) -> float:
    engines, batches = [], []
    for url in order.urls:
        redis, keyspace = connect(url), Keyspace(1)
        await redis.set(keyspace.epoch(0), 1)
        engine = RedisEngine(redis, keyspace, {0: 1})
        await engine.load_scripts()
        drop_id, now_ms = new_id(), await engine.now_ms()
        terms = DropTerms(now_ms, now_ms + HOUR_MS, HOUR_MS, 1, 9_900, 10_000_000)
        await engine.open_drop(drop_id, terms)
        engines.append((engine, drop_id))
        batches.append(_batches(drop_id, order.batch))
    await asyncio.sleep(max(starts_s - time.time(), 0))
    until_s, sold = time.perf_counter() + SECONDS, [0]

    async def reserve(number: int) -> None:
        engine, drop_id = engines[number]
        while time.perf_counter() < until_s:
            outcome = await engine.reserve(drop_id, next(batches[number]))
            sold[0] += len(outcome.outcomes)

    await asyncio.gather(*(reserve(at) for at in range(len(engines)) for _ in range(IN_FLIGHT)))
    held = 0
    for engine, drop_id in engines:
        snapshot = await engine.snapshot(drop_id)
        held += snapshot.held if snapshot else 0
        await engine.redis.aclose()
    if held != sold[0]:
        raise RuntimeError(f"{held} held of {sold[0]}")
    return sold[0] / SECONDS


def _batches(drop_id: str, size: int) -> Iterator[list[Attempt]]:
    """Batches of attempts that were made before: making them is no part of the engine."""
    attempts = [
        Attempt(random_rid(drop_id), f"buyer-{number:011d}")
        for number in range(int(MOST_PER_S * SECONDS * min(1, size / 4)) + 4 * size)
    ]
    return iter([attempts[at : at + size] for at in range(0, len(attempts), size)])
