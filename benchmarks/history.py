"""`make bench-history`: the time of an audit, a promotion and a keeper's scan with a long history.

Two deployments on one MariaDB sell the same few drops; one of them also has a long history. They
are measured in turns. The history comes from a version without seals; the keeper seals its last
drops.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from rich.console import Console
from sqlalchemy import func, select, text

from benchmarks import machine, page
from benchmarks.history_rows import fill, seal
from benchmarks.machine import load_now
from benchmarks.records import Records
from benchmarks.tables import drawn, markdown, sheet_of
from livesale.deployment.partitions import look_at
from livesale.deployment.promotion import Promotion
from livesale.ledger.tables import orders
from livesale.ledger.writer import Writer
from livesale.operations.audit import Check, audit
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from stock.connection import connect
from tests.livesale.stage import open_drop, open_stage, reserve, running, until_written
from tests.servers import MariaDB, Valkey

FIGURE = "history"
DROPS, LIVE, BUYERS, ROUNDS = 10_000, 8, 250, 7
BY_KEEPER = 400  # drops that the keeper seals; we seal the others
BUFFER = "--innodb-buffer-pool-size=1G"
BOUND = 1.5  # the limit: times an empty history


async def run(count: int, rounds: int, records: Records) -> None:
    """Raises RuntimeError if an audit finds a broken promise."""
    async with AsyncExitStack() as stack:
        mariadb = MariaDB(BUFFER)
        stack.callback(mariadb.remove)
        mariadb.start()
        empty = await stack.enter_async_context(_shop(mariadb))
        full = await stack.enter_async_context(_shop(mariadb))
        took_s = await _timed(lambda shop: fill(shop.sql, count, shop.keyspace), full)
        print(f"{count:,} drops were made in {took_s:.0f} s", file=sys.stderr)
        took_s = await _timed(lambda shop: seal(shop.sql, max(0, count - BY_KEEPER)), full)
        print(f"and sealed in {took_s:.0f} s, but for the last", file=sys.stderr)
        took_s = await _timed(_seal, full)
        rate = min(count, BY_KEEPER) / took_s
        records.add(FIGURE, "the keeper seals drops that had no seal", rate, "drops/s")
        async with full.sql.connect() as connection:
            await connection.execute(text("ANALYZE TABLE drops, books, orders, seals"))
            total = await connection.scalar(select(func.count()).select_from(orders))
        print(f"{total:,} orders", file=sys.stderr)
        for measure in (_audit, _promote, _sweep):
            await measure(empty)  # warm up: compile statements, read pages
            await measure(full)
        for number in range(rounds):
            for name, measure in (
                ("audit", _audit),
                ("promotion of all partitions", _promote),
                ("a keeper's look for finished drops, all partitions", _sweep),
            ):
                took = {}
                for history, deployment in (("empty", empty), ("long", full)):
                    took[history] = 1_000 * await _timed(measure, deployment)
                    records.add(FIGURE, f"{name}, {history} history", took[history], "ms")
                records.add(FIGURE, f"{name}, long / empty", took["long"] / took["empty"], "×")
            if number < 1:
                took_s = await _timed(_audit_all, full)
                records.add(FIGURE, "audit --full, long history", took_s, "s")


@asynccontextmanager
async def _shop(mariadb: MariaDB) -> AsyncIterator[Deployment]:
    """A deployment that has sold LIVE drops to BUYERS buyers each, all of it in SQL."""
    async with AsyncExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.remove)
        valkey.start()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        redis = connect(valkey.url, connections=8)
        stack.push_async_callback(redis.aclose)
        shop = await stack.enter_async_context(
            open_stage(redis, valkey.url, mariadb.database(), folder, sql__timeout_ms=600_000)
        )
        for _ in range(LIVE):
            drop_id = await open_drop(shop, allotted=BUYERS)
            for start in range(0, BUYERS, 50):
                await reserve(shop, drop_id, [f"buyer-{start + i}" for i in range(50)])
        async with running(Writer(shop)):
            await until_written(shop)
        yield shop


async def _seal(shop: Deployment) -> None:
    archivers = [Archiver(shop, number) for number in range(shop.keyspace.partitions)]
    while sum([await archiver.archive() for archiver in archivers]):
        pass


async def _audit(shop: Deployment) -> None:
    _hold(await audit(shop, settle_s=0.0))


async def _audit_all(shop: Deployment) -> None:
    _hold(await audit(shop, settle_s=0.0, full=True))


def _hold(checks: Sequence[Check]) -> None:
    broken = [check for check in checks if not check.ok]
    if broken:
        raise RuntimeError(str(broken))


async def _promote(shop: Deployment) -> None:
    promotion = Promotion(shop, shop.redis)
    for partition in range(shop.keyspace.partitions):
        look = await look_at(shop.redis, shop.sql, shop.keyspace, partition)
        after = await promotion.settle(look, look.epoch)
        if after.refusal or after.epoch != look.epoch + 1:
            raise RuntimeError(f"not promoted: {after}")
        shop.engine.epochs[partition] = after.epoch


async def _sweep(shop: Deployment) -> None:
    for partition in range(shop.keyspace.partitions):
        await Archiver(shop, partition).archive()


async def _timed(measure: Callable[[Deployment], Awaitable[None]], shop: Deployment) -> float:
    started_s = time.perf_counter()
    await measure(shop)
    return time.perf_counter() - started_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 1 with --strict if a ratio is above its bound."""
    parser = argparse.ArgumentParser(prog="make bench-history", description=__doc__)
    parser.add_argument("--drops", type=int, default=DROPS, help="of 100 orders each")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 above 1.5 × an empty history")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    before, records = load_now(), Records()
    asyncio.run(run(options.drops, options.rounds, records))
    here = machine.describe()
    sheet = sheet_of(f"beside {options.drops:,} finished drops", list(records.of(FIGURE)))
    said = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, Valkey "
        f"{here.valkey}, MariaDB {here.mariadb}; {options.drops:,} finished drops with "
        f"{options.drops * 100:,} orders, {LIVE} drops on sale with {LIVE * BUYERS:,}; "
        f"{options.rounds} interleaved rounds; load average {before:.1f} → {load_now():.1f}."
    )
    Console(width=120).print(drawn(sheet), said, sep="\n")
    if options.write:
        page.put(page.DOCS, {}, [("history", f"{said}\n\n{markdown(sheet)}")])
    ratios = [
        records.find(f"{name}, long / empty") for name in ("audit", "promotion of all partitions")
    ]
    missed = any(ratio is None or ratio.median > BOUND for ratio in ratios)
    return int(options.strict and missed)


if __name__ == "__main__":
    sys.exit(main())
