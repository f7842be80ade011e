"""The rate of the writer, from the log into MariaDB, against a bare multi-row insert of the rows.

Both run in turns on a private MariaDB that flushes at every commit. The real engine fills a log and
the writer empties it into a new database; then the same prepared orders and movements go into
another new database, with the same number of rows per commit.
"""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import insert, select, text

from benchmarks import names
from benchmarks.records import Records
from benchmarks.scale import Scale
from livesale.database import engine as database
from livesale.database.schema import migrate
from livesale.deployment.partitions import check_partitions, claim_partitions
from livesale.ledger.plan import Row
from livesale.ledger.rows import insert_rows
from livesale.ledger.tables import drops, orders, stock_ledger
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from livesale.settings import load_settings
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms
from tests.servers import MariaDB, Valkey

FIGURE = "writer"
HOUR_MS = 3_600_000
BATCH = 64  # reservations in a call
MAX_ROWS = 500  # to a transaction


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round on fresh servers: the writer, then the bare insert of the same rows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        valkey, mariadb = Valkey(), MariaDB()
        for server in (valkey, mariadb):
            stack.callback(server.remove)
            server.start()
        written, bare = asyncio.run(_measure(valkey, mariadb, folder, scale.written))
        records.add(FIGURE, names.WRITER, written, "rows/s")
        records.add(FIGURE, names.BARE_INSERT, bare, "rows/s")


async def _measure(
    valkey: Valkey, mariadb: MariaDB, folder: Path, reservations: int
) -> tuple[float, float]:
    redis = connect(valkey.url, connections=8)
    try:
        written, rows = await _writer_round(
            redis, valkey.url, mariadb.database(), folder, reservations
        )
        return written, await _bare_round(mariadb.database(), folder, rows)
    finally:
        await redis.aclose()


async def _writer_round(
    redis: "Redis",
    redis_url: str,
    sql_url: str,
    folder: Path,
    reservations: int,
) -> tuple[float, tuple[list[Row], list[Row]]]:
    """Rows a second of the writer, and its rows."""
    settings = load_settings(
        data_dir=folder,
        redis__url=redis_url,
        sql__url=sql_url,
        stock__partitions=1,
        writer__max_rows=MAX_ROWS,
    )
    sql = database.connect(sql_url, folder)
    try:
        await migrate(sql)
        keyspace = Keyspace(1)
        await claim_partitions(redis, sql, keyspace)
        epochs = await check_partitions(redis, sql, keyspace)
        engine = RedisEngine(redis, keyspace, epochs)
        deployment = Deployment(settings, redis, redis_url, sql, engine)
        entries = await _fill(deployment, reservations)
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


async def _fill(deployment: Deployment, reservations: int) -> int:
    """Open a drop and reserve; returns the number of log entries."""
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
    for start in range(0, reservations, BATCH):
        size = min(BATCH, reservations - start)
        await engine.reserve(
            drop_id,
            [Attempt(random_rid(drop_id), f"buyer-{start + i:08d}") for i in range(size)],
        )
        calls += 1
    return calls + 1


async def _bare_round(sql_url: str, folder: Path, rows: tuple[list[Row], list[Row]]) -> float:
    """Rows a second of a bare insert of the same rows, with as many in each commit."""
    bought, moved = rows
    sql = database.connect(sql_url, folder)
    try:
        await migrate(sql)
        async with database.transaction(sql) as connection:
            await connection.execute(text("SELECT 1"))
        started_s = time.perf_counter()
        for start in range(0, len(moved), MAX_ROWS):
            async with database.transaction(sql) as connection:
                await insert_rows(connection, orders, bought[start : start + MAX_ROWS])
                await insert_rows(connection, stock_ledger, moved[start : start + MAX_ROWS])
        elapsed_s = time.perf_counter() - started_s
    finally:
        await sql.dispose()
    return (len(bought) + len(moved)) / elapsed_s
