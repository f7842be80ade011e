"""A small livesale for tests: a deployment on real stores, drops on sale, a crowd that buys.

The crowd is seeded: the same seed asks for the same things in the same order.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import insert, select

from livesale.database import engine as database
from livesale.deployment.scripts import ScriptLoader
from livesale.ledger import rows as ledger
from livesale.ledger import tables
from livesale.ledger.tail import connect_reader
from livesale.ledger.writer import Writer
from livesale.processes.roles import Worker
from livesale.resources import Deployment
from livesale.settings import load_settings
from stock.gateway import RedisEngine
from stock.ids import Origin, drop_of, new_id, origin_id, random_rid
from stock.keyspace import Keyspace
from stock.log import LogReader
from stock.model import Attempt, DropTerms, Fate, Grant, GrantCode, ReserveCode, TakeBack
from tests.livesale.migrated import open_books
from tests.livesale.statements import keep_dialect, share_compiled
from tests.waiting import until

PARTITIONS = 2
PRICE_FEN = 1_990

# A stage is on SQLite, unless its test is about what the two databases do differently.
on_both = pytest.mark.parametrize("stage", ["mariadb_url", "sqlite_url"], indirect=True)
on_mariadb = pytest.mark.parametrize("stage", ["mariadb_url"], indirect=True)
# On MariaDB; `make soak` plays it on SQLite, too.
on_both_in_soak = pytest.mark.parametrize(
    "stage", ["mariadb_url", pytest.param("sqlite_url", marks=pytest.mark.soak)], indirect=True
)
# The other way about, for tests that take no time twice: on SQLite, and in `make soak` on MariaDB.
on_mariadb_in_soak = pytest.mark.parametrize(
    "stage", ["sqlite_url", pytest.param("mariadb_url", marks=pytest.mark.soak)], indirect=True
)


@asynccontextmanager
async def open_stage(
    redis: Redis, redis_url: str, sql_url: str, folder: Path, **flags: Any
) -> AsyncIterator[Deployment]:
    """A deployment with two partitions on an empty Redis and an empty database."""
    settings = load_settings(
        data_dir=folder,
        redis__url=redis_url,
        sql__url=sql_url,
        stock__partitions=PARTITIONS,
        **{"writer__standby_ms": 100, "writer__trim_every_ms": 50, "sql__timeout_ms": 5_000}
        | flags,
    )
    sql = database.connect(
        sql_url, folder, settings.sql.connections, timeout_ms=settings.sql.timeout_ms
    )
    share_compiled(sql)
    try:
        keyspace = Keyspace(PARTITIONS)
        epochs = await open_books(redis, sql_url, folder, sql, keyspace)
        keep_dialect(sql)
        engine = RedisEngine(redis, keyspace, epochs)
        await ScriptLoader(settings, redis).load()
        yield Deployment(settings, redis, redis_url, sql, engine)
    finally:
        await sql.dispose()


def with_writer(stage: Deployment, **changes: int) -> Deployment:
    """The same stage with other settings of the writer."""
    writer = stage.settings.writer.model_copy(update=changes)
    return replace(stage, settings=stage.settings.model_copy(update={"writer": writer}))


async def open_drop(stage: Deployment, **changes: int) -> str:
    """A drop on sale: in SQL as an operator leaves it, and in Redis. Returns its id."""
    now_ms = await stage.engine.now_ms()
    fields = {
        "opens_ms": now_ms - 1_000,
        "closes_ms": now_ms + 3_600_000,
        "hold_ms": 600_000,
        "buyer_limit": 4,
        "price_fen": PRICE_FEN,
        "allotted": 100,
        "expired_limit": 0,
    } | changes
    drop_id = new_id()
    row = {
        "drop_id": drop_id,
        "campaign_id": "c1",
        "sku_id": "s1",
        "state": "opening",
        "partition": stage.keyspace.partition_of(drop_id),
        "created_ms": now_ms,
        **fields,
    }
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(tables.drops), [row])
    await stage.engine.open_drop(drop_id, DropTerms(**fields))
    return drop_id


async def reserve(stage: Deployment, drop_id: str, buyers: Sequence[str]) -> list[str]:
    """One unit for each buyer, in one batch; the rids of those who got it."""
    attempts = [Attempt(random_rid(drop_id), buyer) for buyer in buyers]
    batch = await stage.engine.reserve(drop_id, attempts)
    return [
        attempt.rid
        for attempt, outcome in zip(attempts, batch.outcomes, strict=True)
        if outcome.code is ReserveCode.HELD
    ]


class Crowd:
    """Buyers who reserve, pay, pay late or twice, give back and let expire, and are given some."""

    def __init__(
        self, stage: Deployment, drop_ids: Sequence[str], seed: int = 1, *, grants: bool = True
    ) -> None:
        self.stage = stage
        self.drop_ids = drop_ids
        self.random = random.Random(seed)
        self.claims: list[tuple[str, str, int]] = []  # rid, buyer, quantity; whatever became of it
        self.payments = 0
        self.grants = grants

    async def act(self, steps: int) -> None:
        """Take `steps` steps, each one call of a script."""
        for _ in range(steps):
            verb = self.random.choices(
                (
                    *(self._reserve, self._pay, self._release, self._expire, self._adjust),
                    *(self._grant, self._take_back),
                ),
                (5, 8, 3, 1, 1, *((1, 2) if self.grants else (0, 0))),
            )[0]
            await verb()

    async def _reserve(self) -> None:
        drop_id = self.random.choice(self.drop_ids)
        attempts = [
            Attempt(
                random_rid(drop_id),
                f"buyer-{self.random.randrange(40)}",
                self.random.randint(1, 3),
            )
            for _ in range(self.random.randint(1, 12))
        ]
        batch = await self.stage.engine.reserve(drop_id, attempts)
        for attempt, outcome in zip(attempts, batch.outcomes, strict=True):
            if outcome.code is ReserveCode.HELD:
                self.claims.append((attempt.rid, attempt.buyer_id, attempt.quantity))

    async def _grant(self) -> None:
        """Some of these wins are told twice, as a keeper that died would."""
        drop_id = self.random.choice(self.drop_ids)
        source = f"bag {self.random.randrange(20)}"
        buyers = [f"buyer-{self.random.randrange(40)}" for _ in range(3)]
        grants = [Grant(origin_id(drop_id, Origin.PRIZE, source, buyer), buyer) for buyer in buyers]
        for grant, outcome in zip(
            grants, await self.stage.engine.grant(drop_id, source, grants), strict=True
        ):
            if outcome.code is GrantCode.GRANTED:
                self.claims.append((grant.rid, grant.buyer_id, grant.quantity))

    async def _take_back(self) -> None:
        """Of claims of any state; some ids twice, with other units."""
        if self.claims:
            rid, _, quantity = self.random.choice(self.claims)
            take_id, units = f"t{self.random.randrange(500)}", self.random.randint(1, quantity)
            fate = self.random.choice(list(Fate))
            back = TakeBack(rid, take_id, units, fate, "came back; 100 % | sure")
            await self.stage.engine.take_back(back)

    async def _pay(self) -> None:
        if self.claims:
            rid, _, quantity = self.random.choice(self.claims)
            self.payments += 1
            payment_id = f"pay-{self.payments}"
            await self.stage.engine.confirm(rid, payment_id, quantity * PRICE_FEN)

    async def _release(self) -> None:
        if self.claims:
            rid, buyer, _ = self.random.choice(self.claims)
            await self.stage.engine.release(rid, buyer)

    async def _expire(self) -> None:
        for partition in range(self.stage.keyspace.partitions):
            for rid in await self.stage.engine.due(partition, 20):
                if "-" in rid:
                    await self.stage.engine.expire(drop_of(rid), [rid])

    async def _adjust(self) -> None:
        delta = self.random.choice((-2, -1, 1, 3))
        await self.stage.engine.adjust_drop(
            self.random.choice(self.drop_ids), new_id(), delta, "counted again; 100 % | sure"
        )


async def until_healthy(writer: Writer) -> None:
    """Wait until every partition is written or watched: at its start none is."""

    def healthy() -> bool:
        return writer.healthy

    await until(healthy)


async def until_written(stage: Deployment) -> None:
    """Wait until SQL holds the whole log."""

    reader = connect_reader(stage.redis_url, 5.0)  # whatever is in the log

    async def written() -> bool:
        for partition in range(stage.keyspace.partitions):
            log = LogReader(reader, stage.keyspace.log(partition))
            async with database.transaction(stage.sql, write=False) as connection:
                found = await ledger.position(connection, partition)
            if found is None or found.offset != (await log.info()).last_id:
                return False
        return True

    try:
        await until(written)
    finally:
        await reader.aclose()


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """A worker that runs while the block does, and is stopped by its event."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


_OF_OTHERS = {  # columns that are no part of what the log says
    "books": ("sealed_ms", "seal_claim"),
    "log_offsets": ("updated_ms",),
    "quarantine": ("created_ms",),
}


async def read_sql(stage: Deployment) -> dict[str, list[tuple[Any, ...]]]:
    """Every row the writer wrote, without its own clock, and without what the keeper seals."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with database.snapshot(stage.sql) as connection:
        for table in (
            tables.books,
            tables.orders,
            tables.stock_ledger,
            tables.payments,
            tables.refunds,
            tables.log_offsets,
            tables.quarantine,
        ):
            columns = [
                column for column in table.c if column.name not in _OF_OTHERS.get(table.name, ())
            ]
            rows = await connection.execute(select(*columns).order_by(*table.primary_key))
            found[table.name] = [tuple(row) for row in rows]
        rows = await connection.execute(
            select(tables.drops.c.drop_id, tables.drops.c.state).order_by(tables.drops.c.drop_id)
        )
        found["drops"] = [tuple(row) for row in rows]
    return found
