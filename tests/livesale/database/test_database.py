"""Connections: which URLs there are, what a session is like, how transactions end."""

import asyncio
import os
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import ArgumentError, DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.catalogue.tables import skus
from livesale.database import engine as database
from livesale.database import schema
from tests.servers import MariaDB

SKU = {"sku_id": "a", "title": "袜子 🧦", "price_fen": 1, "created_ms": 1}


@pytest.mark.parametrize(
    ("url", "driver", "name"),
    [
        ("embedded", "sqlite+aiosqlite", os.path.realpath("var/livesale.sqlite3")),
        ("sqlite:///some/file.db", "sqlite+aiosqlite", os.path.realpath("some/file.db")),
        ("mysql://u:p@h/d", "mysql+aiomysql", "d"),
        ("mariadb://u:p@h:1/d", "mysql+aiomysql", "d"),
        ("mysql+aiomysql://u@h/d?unix_socket=/s", "mysql+aiomysql", "d"),
    ],
)
def test_urls(url: str, driver: str, name: str) -> None:
    # given a setting, when it is resolved, then its driver is ours
    found = database.resolve(url, Path("var"))
    assert (found.drivername, found.database) == (driver, name)


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/d", "sqlite://", "sqlite:///:memory:", "mysql://u@h", "nonsense"]
)
def test_urls_that_are_none(url: str) -> None:
    # given anything else, when it is resolved, then it is refused
    with pytest.raises((ValueError, ArgumentError)):
        database.resolve(url, Path("var"))


async def test_sqlite_is_durable_and_readers_do_not_wait(sqlite_url: str, tmp_path: Path) -> None:
    # given a writing transaction under way
    engine = database.connect(sqlite_url, tmp_path)
    await schema.migrate(engine)
    async with database.transaction(engine) as writing:
        await writing.execute(insert(skus), [SKU])
        # when another one reads, then it sees what was there before
        async with database.transaction(engine, write=False) as reading:
            assert (await reading.execute(select(skus))).all() == []
            journal = await reading.scalar(text("PRAGMA journal_mode"))
            synchronous = await reading.scalar(text("PRAGMA synchronous"))
    # then a commit is on disk when it returns
    assert (journal, synchronous) == ("wal", 2)
    await engine.dispose()


async def _insert_and_fail(engine: AsyncEngine) -> None:
    async with database.transaction(engine) as connection:
        await connection.execute(insert(skus), [SKU])
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["mariadb_url", "sqlite_url"])
async def test_an_exception_rolls_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # given a transaction that has written
    engine = database.connect(request.getfixturevalue(name), tmp_path)
    await schema.migrate(engine)
    with pytest.raises(ZeroDivisionError):
        await _insert_and_fail(engine)  # when it fails
    # then nothing is there, and the next one works
    async with database.transaction(engine) as connection:
        await connection.execute(insert(skus), [SKU])
    async with database.snapshot(engine) as connection:
        assert (await connection.scalars(select(skus.c.title))).all() == [SKU["title"]]
    await engine.dispose()


@pytest.mark.parametrize("name", ["mariadb_url", "sqlite_url"])
async def test_a_snapshot_sees_one_instant(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # given a snapshot that has read something
    engine = database.connect(request.getfixturevalue(name), tmp_path)
    await schema.migrate(engine)
    async with database.snapshot(engine) as connection:
        before = (await connection.execute(select(skus))).all()
        # when another session commits
        async with database.transaction(engine) as other:
            await other.execute(insert(skus), [SKU])
        # then the snapshot does not see it, and another transaction does
        assert (await connection.execute(select(skus))).all() == before == []
        async with database.transaction(engine, write=False) as other:
            assert len((await other.execute(select(skus))).all()) == 1
    await engine.dispose()


async def test_mysql_sessions_are_strict(mariadb_url: str, tmp_path: Path) -> None:
    # given a value that does not fit
    engine = database.connect(mariadb_url, tmp_path)
    await schema.migrate(engine)
    # when it is written, then it is refused and not cut
    with pytest.raises(DataError):
        async with database.transaction(engine) as connection:
            await connection.execute(insert(skus), [{**SKU, "title": "x" * 201}])
    async with database.transaction(engine, write=False) as connection:
        assert await connection.scalar(text("SELECT @@tx_isolation")) == "READ-COMMITTED"
    await engine.dispose()


async def test_a_transaction_has_a_deadline(mariadb_url: str, tmp_path: Path) -> None:
    # given a bound of 300 ms
    engine = database.connect(mariadb_url, tmp_path, timeout_ms=300)
    # when a statement takes longer, then it is given up
    with pytest.raises(TimeoutError):
        async with database.transaction(engine) as connection:
            await connection.execute(text("SELECT SLEEP(30)"))
    # and the engine goes on
    async with database.transaction(engine) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_dead_sessions_are_replaced(tmp_path: Path) -> None:
    # given an engine whose session is dead because the server restarted
    server = MariaDB()
    try:
        server.start()
        engine = database.connect(server.database(), tmp_path, connections=1)
        async with database.transaction(engine) as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        server.kill()
        with pytest.raises((OperationalError, OSError)):
            async with database.transaction(engine):
                pass
        server.start()
        # when it is used again, then it works at once
        async with database.transaction(engine) as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        await engine.dispose()
    finally:
        server.remove()


async def test_waiting_for_a_connection_is_bounded(sqlite_url: str, tmp_path: Path) -> None:
    # given a pool of one connection that is taken
    engine = database.connect(sqlite_url, tmp_path, connections=1, timeout_ms=200)
    async with engine.connect():
        # when another one is asked for, then that ends with a fault
        with pytest.raises((TimeoutError, PoolTimeout)):
            async with asyncio.timeout(10), database.transaction(engine):
                pass
    await engine.dispose()
