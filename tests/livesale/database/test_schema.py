"""The migrations make exactly the tables of livesale.database.tables, on every database."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.database import schema
from livesale.database.tables import metadata


@pytest.fixture(params=["mariadb_url", "sqlite_url"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = database.connect(request.getfixturevalue(request.param), tmp_path)
    yield engine
    await engine.dispose()


def _difference(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_make_the_tables(empty: AsyncEngine) -> None:
    # given a database without tables
    assert not (await schema.progress(empty)).is_head
    # when it is migrated
    revision = await schema.migrate(empty)
    # then nothing is left to change
    async with empty.connect() as connection:
        assert await connection.run_sync(_difference) == []
    assert revision == schema.head()
    assert (await schema.progress(empty)).is_head


async def test_migrating_twice_and_at_once_is_harmless(empty: AsyncEngine) -> None:
    # given an empty database, when two migrate it at the same time and one again
    await asyncio.gather(schema.migrate(empty), schema.migrate(empty))
    await schema.migrate(empty)
    # then the tables stand
    async with empty.connect() as connection:
        assert await connection.run_sync(_difference) == []


async def test_text_tells_upper_from_lower_case_on_mysql(mariadb_url: str, tmp_path: Path) -> None:
    # given the tables on MariaDB
    engine = database.connect(mariadb_url, tmp_path)
    await schema.migrate(engine)
    # when we ask for the collation of every text column
    async with engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT DISTINCT collation_name FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
                " AND table_name <> 'alembic_version'"
            )
        )
        collations = {row[0] for row in found}
    await engine.dispose()
    # then there is one, and it compares bytes
    assert collations == {"utf8mb4_bin"}


def test_head_is_the_last_migration() -> None:
    # given the migrations inside the package
    config = Config()
    config.set_main_option("script_location", "livesale.database:migrations")
    # then the literal that spares importing Alembic names the last of them
    assert ScriptDirectory.from_config(config).get_current_head() == schema.head()


async def test_an_empty_sqlite_gets_what_the_migrations_make(
    tmp_path: Path,
) -> None:
    # given one file made at once, and one made by the migrations, step by step
    at_once = database.connect(f"sqlite:///{tmp_path}/at_once", tmp_path)
    step_by_step = database.connect(f"sqlite:///{tmp_path}/step_by_step", tmp_path)
    await schema.migrate(at_once)
    async with step_by_step.begin() as connection:
        await connection.run_sync(schema._migrate)
    # then both hold the same, to the letter
    assert await _contents(at_once) == await _contents(step_by_step)
    assert (await schema.progress(step_by_step)).is_head
    for engine in (at_once, step_by_step):
        await engine.dispose()


async def _contents(engine: AsyncEngine) -> tuple[list[Any], list[Any]]:
    """What a SQLite file says its tables and indexes are, and at which revision it is."""
    async with engine.connect() as connection:
        made = await connection.execute(
            text("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        )
        revision = await connection.execute(text("SELECT version_num FROM alembic_version"))
        statements = [(*row[:3], re.sub(r"\s+", " ", row.sql) if row.sql else None) for row in made]
        return statements, list(revision)
