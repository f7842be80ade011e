"""A drop with a million reservations against one with ten thousand, and what each takes in Redis.

The drops are filled by the engine, past HTTP; then more is sold from each, by the engine and over
HTTP. Memory is what Redis uses more after the filling, with the log behind the reservations and
without it: the writer trims it once SQL holds it. The log is folded, and must give the books.
"""

import asyncio
import tempfile
from pathlib import Path

import uvloop
from msgspec import Struct

from benchmarks import names
from benchmarks.engine import Buyers, sell_batches
from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from stock.entries import decode
from stock.fold import Fold
from stock.gateway import RedisEngine
from stock.ids import START
from stock.log import LogReader

FIGURE = "depth"
BATCH = 256
FILLED_AT_ONCE = 50_000
READ_AT_ONCE = 500
LOOK_S = 0.05


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round in a fresh shop."""
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        open_shop(Path(folder), scale.buyers) as shop,
    ):
        for name in (names.ENGINE_SHALLOW, names.HTTP_SHALLOW):
            drop_id, _ = _filled(shop, scale.shallow)
            _sell_more(shop, drop_id, name, scale, records)
        drop_id, memory = _filled(shop, scale.deep)
        for name in (names.ENGINE_DEEP, names.HTTP_DEEP):
            _sell_more(shop, drop_id, name, scale, records)
        records.add(FIGURE, names.MEMORY, memory.alone, "bytes")
        records.add(FIGURE, names.MEMORY_LOG, memory.with_log, "bytes")


class Memory(Struct, frozen=True):
    """Bytes for one reservation."""

    with_log: float
    alone: float


def _sell_more(shop: Shop, drop_id: str, name: str, scale: Scale, records: Records) -> None:
    if name in (names.HTTP_SHALLOW, names.HTTP_DEEP):
        with pinned(LOAD_CORE):
            shot = shop.best.sell_more(drop_id, scale.seconds)
        records.add(FIGURE, name, shot.per_s, "requests/s")
    else:
        with pinned(SERVER_CORE):
            rate, cpu_us = uvloop.run(_sell(shop, drop_id, scale.reservations))
        records.add(FIGURE, name, rate, "reservations/s", cpu_us)


def _filled(shop: Shop, depth: int) -> tuple[str, Memory]:
    """A drop that has sold so many units, past HTTP, and what each takes in Redis."""
    drop_id = shop.best.operator.open_drop(MANY)
    with pinned(SERVER_CORE):
        return drop_id, uvloop.run(_fill(shop, drop_id, depth))


async def _fill(shop: Shop, drop_id: str, depth: int) -> Memory:
    async with shop.engine() as engine:
        log = engine.keyspace.log(engine.keyspace.partition_of(drop_id))
        before = await _used(engine, log)
        for first in range(0, depth, FILLED_AT_ONCE):
            count = min(FILLED_AT_ONCE, depth - first)
            await sell_batches(engine, Buyers(drop_id, f"filler-{first}", count), BATCH)
        after = await _used(engine, log)
        await _check_books(engine, drop_id, log)
        await _until_no_rewrite(engine)
    used, logged = (now - then for now, then in zip(after, before, strict=True))
    return Memory(used / depth, (used - logged) / depth)


async def _sell(shop: Shop, drop_id: str, count: int) -> tuple[float, float]:
    async with shop.engine() as engine:
        return await sell_batches(engine, Buyers(drop_id, "more", count), BATCH)


async def _check_books(engine: RedisEngine, drop_id: str, log: str) -> None:
    """I1 and I2 for this drop. Raises RuntimeError, or what the fold raises."""
    fold, after = Fold(), START
    reader = LogReader(engine.redis, log)
    while entries := await reader.read(after, READ_AT_ONCE):
        for entry_id, fields in entries:
            entry = decode(entry_id, fields)
            if entry.drop_id == drop_id:
                fold.apply(entry)
        after = entries[-1][0]
    snapshot = await engine.snapshot(drop_id)
    if snapshot is None or snapshot.books != fold.books[drop_id]:
        raise RuntimeError(f"the log folds to {fold.books[drop_id]}, Redis has {snapshot}")


async def _used(engine: RedisEngine, log: str) -> tuple[int, int]:
    """Bytes in use, and those of the log among them."""
    used = int((await engine.redis.info("memory"))["used_memory"])
    return used, int(await engine.redis.memory_usage(log, samples=0) or 0)


async def _until_no_rewrite(engine: RedisEngine) -> None:
    """A rewrite of the AOF that the filling set off is no part of what is measured next."""
    while (await engine.redis.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
