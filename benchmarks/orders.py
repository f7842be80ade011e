"""`python -m benchmarks.orders`: the operators' list, search and page beside 1,000,000 orders.

One worker on MariaDB is asked over HTTP, one call at a time, for first pages and for pages deep in
the list. Prints the time of each kind of call, and how MariaDB reads its rows (EXPLAIN).
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks import machine, page
from benchmarks.history_rows import FIRST_MS, fill
from benchmarks.machine import load_now
from livesale.app import build_app
from livesale.ledger.tables import orders
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.search import store
from livesale.orders.search.store import Filter
from stock.connection import connect
from tests.livesale.api import Api
from tests.livesale.stage import open_stage
from tests.servers import MariaDB, Valkey

DROPS, CALLS, BOUND_MS = 10_000, 200, 50.0
BUFFER = "--innodb-buffer-pool-size=1G"
PAGE = "page of an order"
DIGITS = 500  # so many ends of phone numbers are in use: 1,400 sold orders have each

# Of the sold orders most are long received; one in a hundred waits.
_STAGES = text(
    "UPDATE orders SET stage = CASE WHEN CRC32(order_id) % 100 = 0 THEN ''"
    " WHEN CRC32(order_id) % 100 = 1 THEN 'packing' WHEN CRC32(order_id) % 100 < 6 THEN 'shipped'"
    " WHEN CRC32(order_id) % 100 = 6 THEN 'cancelled' ELSE 'received' END"
    " WHERE state = 'sold' AND order_id BETWEEN :first AND :last"
)
_ADDRESSES = text(
    "INSERT INTO order_addresses (order_id, buyer_id, sealed, key_id, phone_hash, created_ms,"
    " updated_ms) SELECT o.order_id, o.buyer_id, REPEAT('x', 300), 'a1', h.hash, o.created_ms,"
    " o.created_ms FROM orders o JOIN phone_hashes h ON h.number = CRC32(o.order_id) % :digits"
    " WHERE o.state = 'sold' AND o.order_id BETWEEN :first AND :last"
)
_PARCELS = text(
    "INSERT INTO parcels (parcel_id, order_id, state, method, carrier, number, note, is_last,"
    " sealed, key_id, created_ms, shipped_ms, received_ms, due_ms, updated_ms)"
    " SELECT CONCAT('p', LEFT(MD5(order_id), 13)), order_id, 'received', 'express', 'SF',"
    " CONCAT('SF', LPAD(CRC32(order_id), 13, '0')), '', 1, REPEAT('x', 300), 'a1', created_ms,"
    " created_ms, created_ms, created_ms, created_ms FROM orders"
    " WHERE stage = 'received' AND order_id BETWEEN :first AND :last"
)


async def prepare(sql: AsyncEngine, count: int, sealer: Sealer) -> list[str]:
    """What came after the sale of the history; ids of some orders."""
    async with sql.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE phone_hashes"
                " (number INT PRIMARY KEY, hash VARCHAR(22) COLLATE utf8mb4_bin)"
            )
        )
        rows = [{"number": n, "hash": sealer.phone_hash(f"{n:04d}")} for n in range(DIGITS)]
        await connection.execute(text("INSERT INTO phone_hashes VALUES (:number, :hash)"), rows)
    for start in range(0, count, 500):
        last = min(count, start + 500)
        ids = {"first": f"0{start:012d}-", "last": f"0{last - 1:012d}-~"}
        async with sql.begin() as connection:
            for statement in (_STAGES, _ADDRESSES, _PARCELS):
                given = ids | ({"digits": DIGITS} if statement is _ADDRESSES else {})
                await connection.execute(statement, given)
    async with sql.begin() as connection:
        await connection.execute(text("ANALYZE TABLE orders, order_addresses, parcels"))
        drop = f"0{count // 2:012d}"
        query = select(orders.c.order_id).where(orders.c.order_id.like(f"{drop}-%"))
        return list(await connection.scalars(query.where(orders.c.stage == "received")))


async def measure(api: Api, count: int, ids: Sequence[str], calls: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by kind. Raises RuntimeError for a wrong answer."""
    chance = random.Random(1)
    span_ms = count * 1_000

    def deep() -> str:
        at_ms = FIRST_MS + chance.randrange(span_ms)
        return f"after={at_ms}.{ids[0]}"

    def moment() -> str:
        at_ms = FIRST_MS + chance.randrange(span_ms)
        return f"from_ms={at_ms}&until_ms={at_ms + 600_000}"

    statuses = ("held", "sold", "expired", "waiting", "packing", "shipped", "received", "cancelled")
    kinds: dict[str, Callable[[], str]] = {
        "list, first page": lambda: "",
        "list, a page deep in it": deep,
        "list, one status, first page": lambda: f"status={chance.choice(statuses)}",
        "list, one status, deep": lambda: f"status={chance.choice(statuses)}&{deep()}",
        "list, ten minutes": moment,
        "list, a stage, ten minutes": lambda: f"status=shipped&{moment()}",
        "search by number of an order": lambda: f"number={chance.choice(ids)}",
        "search by number of a parcel": lambda: "number=SF0000000000001",
        "search by buyer": lambda: (
            f"buyer_id=buyer-{chance.randrange(1, 70)}-{chance.randrange(97)}"
        ),
        "search by phone, first page": lambda: f"phone={chance.randrange(DIGITS):04d}",
        "search by phone, deep": lambda: f"phone={chance.randrange(DIGITS):04d}&{deep()}",
        "search by phone, a rare status": lambda: (
            f"phone={chance.randrange(DIGITS):04d}&status=packing"
        ),
    }
    took: dict[str, list[float]] = {name: [] for name in (*kinds, PAGE)}
    for number in range(calls + 3):
        for name in took:
            path = f"/v1/admin/orders/{chance.choice(ids)}"
            if name in kinds:
                path = f"/v1/admin/orders?{kinds[name]()}"
            started_s = time.perf_counter()
            reply = await api.get(path, by=api.viewer)
            if number >= 3:  # the first ones compile statements
                took[name].append(1_000 * (time.perf_counter() - started_s))
            if reply.status != 200:
                raise RuntimeError(f"{name}: {reply.raw!r}")
    return took


async def plans(sql: AsyncEngine, sealer: Sealer, last_id: str) -> list[str]:
    """How MariaDB reads each kind of list: table, type, key and rows of EXPLAIN."""
    deep = Filter(before=(FIRST_MS + 5_000_000, last_id))
    queries: dict[str, Select[Any]] = {
        "list": store.query_of_places(deep),
        "by buyer": store.query_of_buyer("buyer-1-1", deep),
        "by phone": store.query_of_phone([sealer.phone_hash("0001")], deep),
        "by number": store.query_of_ids([last_id], Filter()),
    }
    found = []
    async with sql.connect() as connection:
        for name, query in queries.items():
            compiled = query.compile(
                dialect=mysql.dialect(), compile_kwargs={"literal_binds": True}
            )
            rows = await connection.execute(
                text(f"EXPLAIN {str(compiled).replace(':', chr(92) + ':')}")
            )
            found += [
                f"| {name} | {row['table']} | {row['type']} | {row['key'] or ''} | {row['rows']} |"
                for row in rows.mappings()
                if row["key"]
            ]
    return list(dict.fromkeys(found))


async def run(count: int, calls: int) -> tuple[int, dict[str, list[float]], list[str]]:
    async with AsyncExitStack() as stack:
        mariadb = MariaDB(BUFFER)
        stack.callback(mariadb.remove)
        mariadb.start()
        valkey = Valkey()
        stack.callback(valkey.remove)
        valkey.start()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        redis = connect(valkey.url, connections=8)
        stack.push_async_callback(redis.aclose)
        shop = await stack.enter_async_context(
            open_stage(redis, valkey.url, mariadb.database(), folder, sql__timeout_ms=600_000)
        )
        sealer = Sealer.from_settings(shop.settings)
        await fill(shop.sql, count, shop.keyspace)
        ids = await prepare(shop.sql, count, sealer)
        async with shop.sql.connect() as connection:
            total = await connection.scalar(select(func.count()).select_from(orders)) or 0
        print(f"{total:,} orders", file=sys.stderr)
        api = Api(build_app(shop), shop)
        await api.start()
        stack.push_async_callback(api.stop)
        return total, await measure(api, count, ids, calls), await plans(shop.sql, sealer, ids[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 1 with --strict if a p95 is above 50 ms."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__)
    parser.add_argument("--drops", type=int, default=DROPS, help="of 100 orders each")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 above a p95 of 50 ms")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    before = load_now()
    total, took, explained = asyncio.run(run(options.drops, options.calls))
    here = machine.describe()
    lines = ["| call | p50 | p95 | max | |", "|---|--:|--:|--:|---|"]
    worst_ms = 0.0
    for name, found in took.items():
        times = sorted(found)
        p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
        worst_ms = max(worst_ms, p95)
        lines.append(f"| {name} | {p50:.1f} | {p95:.1f} | {times[-1]:.1f} | ms |")
    plan = ["| query | table | type | key | rows |", "|---|---|---|---|--:|", *explained]
    said = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, MariaDB "
        f"{here.mariadb}; {total:,} orders; {options.calls} calls of each kind, in turns, over "
        f"HTTP, client and server in one process; load average {before:.1f} → {load_now():.1f}."
    )
    text_ = f"{said}\n\n" + "\n".join(lines) + "\n\n" + "\n".join(plan)
    Console(width=120).print(text_)
    if options.write:
        page.put(page.DOCS, {}, [("orders", text_)])
    return int(options.strict and worst_ms > BOUND_MS)


if __name__ == "__main__":
    sys.exit(main())
