"""A drop with a million reservations against one with ten thousand, and the memory of each.

The engine fills the drops without HTTP; then more is sold from each, in turns, by the engine and
over HTTP. The CPU time is Valkey's, because only its work can grow with a drop. Memory is the
growth of Redis while a drop fills, with the log and without it: the writer trims the log once SQL
has it. Folding the log must give the books.
"""

import statistics
import tempfile
from pathlib import Path

import uvloop
from msgspec import Struct

from benchmarks import names
from benchmarks.engine import Buyers, fill, sell_batches
from benchmarks.machine import LOAD_CORE, SERVER_CORE, cpu_s, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from stock.entries import decode
from stock.fold import Fold
from stock.gateway import RedisEngine
from stock.ids import START, new_id
from stock.log import LogReader

FIGURE = "depth"
BATCH = 256
SOLD = 20_000  # a turn of the engine, small enough to keep the drop shallow
TURN_S = 1  # over HTTP
READ_AT_ONCE = 500


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round in a fresh shop: the deep drop and new shallow ones sell in turns."""
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        open_shop(Path(folder), scale.buyers) as shop,
    ):
        deep, memory = _filled(shop, scale.deep)
        records.add(FIGURE, names.MEMORY, memory.alone, "bytes")
        records.add(FIGURE, names.MEMORY_LOG, memory.with_log, "bytes")
        turns = Records()
        for _ in range(scale.turns):
            _sell_by_engine(shop, _filled(shop, scale.shallow)[0], names.ENGINE_SHALLOW, turns)
            _sell_by_engine(shop, deep, names.ENGINE_DEEP, turns)
            _sell_over_http(shop, _filled(shop, scale.shallow)[0], names.HTTP_SHALLOW, turns)
            _sell_over_http(shop, deep, names.HTTP_DEEP, turns)
        for cell in turns.series:
            cpu_us, beside_ms = None, None
            if cell.cpu_us:
                cpu_us, beside_ms = cell.cpu_median, statistics.median(cell.loop_ms)
            records.add(FIGURE, cell.name, cell.median, cell.unit, cpu_us, beside_ms)


class Memory(Struct, frozen=True):
    """Bytes of one reservation."""

    with_log: float
    alone: float


def _sell_by_engine(shop: Shop, drop_id: str, name: str, turns: Records) -> None:
    before_s = cpu_s(shop.valkey_pid)
    with pinned(SERVER_CORE):
        rate = uvloop.run(_sell(shop, drop_id))
    cpu_us = 1e6 * (cpu_s(shop.valkey_pid) - before_s) / SOLD
    turns.add(FIGURE, name, rate, "reservations/s", cpu_us)


def _sell_over_http(shop: Shop, drop_id: str, name: str, turns: Records) -> None:
    before_s = cpu_s(shop.valkey_pid)
    with pinned(LOAD_CORE):
        shot = shop.lane.sell_more(drop_id, TURN_S)
    cpu_us = 1e6 * (cpu_s(shop.valkey_pid) - before_s) / shot.requests
    turns.add(FIGURE, name, shot.per_s, "requests/s", cpu_us)


def _filled(shop: Shop, depth: int) -> tuple[str, Memory]:
    """Fill a drop without HTTP; its id, and the bytes of one reservation in Redis."""
    drop_id = shop.lane.operator.open_drop(MANY)
    with pinned(SERVER_CORE):
        return drop_id, uvloop.run(_fill(shop, drop_id, depth))


async def _fill(shop: Shop, drop_id: str, depth: int) -> Memory:
    async with shop.engine() as engine:
        log = engine.keyspace.log(engine.keyspace.partition_of(drop_id))
        before = await _used(engine, log)
        await fill(engine, drop_id, depth)
        after = await _used(engine, log)
        await _check_books(engine, drop_id, log)
    used, logged = (now - then for now, then in zip(after, before, strict=True))
    return Memory(used / depth, (used - logged) / depth)


async def _sell(shop: Shop, drop_id: str) -> float:
    async with shop.engine() as engine:
        buyers = Buyers(drop_id, new_id(), SOLD)
        rate, _ = await sell_batches(engine, buyers, BATCH)
        return rate


async def _check_books(engine: RedisEngine, drop_id: str, log: str) -> None:
    """Check I1 and I2 for this drop. Raises RuntimeError, or the fold's error."""
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
    """Bytes in use, and the part of the log."""
    used = int((await engine.redis.info("memory"))["used_memory"])
    return used, int(await engine.redis.memory_usage(log, samples=0) or 0)
