"""How fast the writer moves the log into MariaDB, against a bare multi-row insert of the same rows.

Both run on a private MariaDB that flushes at every commit, in turns: each round fills a log through
the real engine, lets the writer empty it into a fresh database, and inserts the same orders and
movements, ready-made, into another fresh database with the same rows per commit. The figure that
matters is the ratio inside one run.
`python -m benchmarks.writer [--reservations N] [--json | --markdown]`
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct, structs
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import insert, select, text

from livesale.deployment import Deployment
from livesale.partitions import check_partitions, claim_partitions
from livesale.settings import load_settings
from livesale.store import database
from livesale.store.ledger import insert_rows
from livesale.store.plan import Row
from livesale.store.schema import migrate
from livesale.store.tables import drops, orders, stock_ledger
from livesale.workers.writer import Writer
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms
from tests.servers import MariaDB, Valkey

HOUR_MS = 3_600_000


class Result(Struct):
    """Rows a second (orders and movements) of each round, and the ratio of the medians."""

    reservations: int
    batch: int
    max_rows: int
    writer: list[float]
    bare: list[float]
    ratio: float
    server: str
    python: str


async def measure(
    reservations: int, batch: int, rounds: int, max_rows: int, folder: Path
) -> Result:
    """Run `rounds` rounds, the writer and the bare insert in turns."""
    valkey, mariadb = Valkey(), MariaDB()
    valkey.start()
    mariadb.start()
    redis = connect(valkey.url, connections=8)
    writer_rates: list[float] = []
    bare_rates: list[float] = []
    try:
        for _ in range(rounds):
            await redis.flushall()
            url = mariadb.database()
            rate, rows = await _writer_round(
                redis, valkey.url, url, folder, reservations, batch, max_rows
            )
            writer_rates.append(rate)
            bare_rates.append(await _bare_round(mariadb.database(), folder, rows, max_rows))
        server = mariadb.execute("SELECT VERSION()").strip()
    finally:
        await redis.aclose()
        valkey.remove()
        mariadb.remove()
    ratio = statistics.median(writer_rates) / statistics.median(bare_rates)
    return Result(
        reservations,
        batch,
        max_rows,
        writer_rates,
        bare_rates,
        ratio,
        server,
        platform.python_version(),
    )


async def _writer_round(
    redis: "Redis",
    redis_url: str,
    sql_url: str,
    folder: Path,
    reservations: int,
    batch: int,
    max_rows: int,
) -> tuple[float, tuple[list[Row], list[Row]]]:
    """Rows a second of the writer, and the rows that it wrote."""
    settings = load_settings(
        data_dir=folder,
        redis__url=redis_url,
        sql__url=sql_url,
        stock__partitions=1,
        writer__max_rows=max_rows,
    )
    sql = database.connect(sql_url, folder)
    try:
        await migrate(sql)
        keyspace = Keyspace(1)
        await claim_partitions(redis, sql, keyspace)
        epochs = await check_partitions(redis, sql, keyspace)
        engine = RedisEngine(redis, keyspace, epochs)
        deployment = Deployment(
            settings=settings,
            redis=redis,
            redis_url=redis_url,
            sql=sql,
            keyspace=keyspace,
            engine=engine,
            epochs=epochs,
        )
        entries = await _fill(deployment, reservations, batch)
        registry, stop = CollectorRegistry(), asyncio.Event()
        started_s = time.perf_counter()
        task = asyncio.create_task(Writer(deployment, registry).run(stop))
        while (registry.get_sample_value("livesale_writer_entries_total") or 0) < entries:
            await asyncio.sleep(0.002)
            if task.done():
                raise RuntimeError("the writer stopped by itself")
        elapsed_s = time.perf_counter() - started_s
        stop.set()
        await task
        async with database.snapshot(sql) as connection:
            found = [
                [dict(row) for row in (await connection.execute(select(table))).mappings()]
                for table in (orders, stock_ledger)
            ]
    finally:
        await sql.dispose()
    return (len(found[0]) + len(found[1])) / elapsed_s, (found[0], found[1])


async def _fill(deployment: Deployment, reservations: int, batch: int) -> int:
    """Open a drop and reserve, `batch` attempts to a call; how many entries the log has then."""
    engine, now_ms = deployment.engine, await deployment.engine.now_ms()
    terms = DropTerms(now_ms - 1, now_ms + HOUR_MS, HOUR_MS, 1, 1_990, reservations)
    drop_id = new_id()
    row = {name: getattr(terms, name) for name in DropTerms.__struct_fields__}
    row |= {"drop_id": drop_id, "campaign_id": "c", "sku_id": "s", "partition": 0}
    row |= {"state": "opening", "created_ms": now_ms}
    async with database.transaction(deployment.sql) as connection:
        await connection.execute(insert(drops), [row])
    await engine.open_drop(drop_id, terms)
    calls = 0
    for start in range(0, reservations, batch):
        size = min(batch, reservations - start)
        await engine.reserve(
            drop_id,
            [Attempt(random_rid(drop_id), f"buyer-{start + i:08d}") for i in range(size)],
        )
        calls += 1
    return calls + 1


async def _bare_round(
    sql_url: str, folder: Path, rows: tuple[list[Row], list[Row]], max_rows: int
) -> float:
    """Rows a second of the same rows, ready-made, `max_rows` of each table to a commit."""
    bought, moved = rows
    sql = database.connect(sql_url, folder)
    try:
        await migrate(sql)
        async with database.transaction(sql) as connection:
            await connection.execute(text("SELECT 1"))
        started_s = time.perf_counter()
        for start in range(0, len(moved), max_rows):
            async with database.transaction(sql) as connection:
                await insert_rows(connection, orders, bought[start : start + max_rows])
                await insert_rows(connection, stock_ledger, moved[start : start + max_rows])
        elapsed_s = time.perf_counter() - started_s
    finally:
        await sql.dispose()
    return (len(bought) + len(moved)) / elapsed_s


def show(result: Result) -> str:
    """The figures as a table of text."""
    lines = [
        f"{result.reservations:,} reservations in calls of {result.batch}, up to {result.max_rows} "
        f"to a transaction; {result.server}, Python {result.python}",
        f"{'rows/s':<24}{'min':>10}{'median':>10}{'max':>10}",
    ]
    for name, rates in (("writer", result.writer), ("bare multi-row insert", result.bare)):
        figures = (min(rates), statistics.median(rates), max(rates))
        lines.append(f"{name:<24}" + "".join(f"{figure:>10,.0f}" for figure in figures))
    lines.append(f"writer / bare insert: {result.ratio:.2f} (target: at least 0.6)")
    return "\n".join(lines)


def markdown_of(result: Result) -> str:
    """The same table as docs/benchmarks.md has it."""
    lines = [
        f"{result.reservations:,} reservations in calls of {result.batch}, up to {result.max_rows} "
        f"to a transaction; {len(result.writer)} rounds; {result.server}, "
        f"Python {result.python}; rows/s:",
        "",
        "| | min | median | max |",
        "|---|--:|--:|--:|",
    ]
    for name, rates in (("writer", result.writer), ("bare multi-row insert", result.bare)):
        figures = (min(rates), statistics.median(rates), max(rates))
        lines.append(f"| {name} | " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |")
    lines += ["", f"writer / bare insert: **{result.ratio:.2f}**"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reservations", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=64, help="reservations in a call")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--max-rows", type=int, default=500, help="rows to a transaction")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="print the table of the docs")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(
            measure(
                options.reservations, options.batch, options.rounds, options.max_rows, Path(folder)
            )
        )
    document: dict[str, Any] = structs.asdict(result)
    if options.json:
        shown = json.dumps(document)
    else:
        shown = markdown_of(result) if options.markdown else show(result)
    sys.stdout.write(shown + "\n")


if __name__ == "__main__":
    main()
