"""A migration that was cut goes on when it is run again. MySQL commits each DDL by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.database import schema
from livesale.database.errors import SchemaDiffers, SchemaTooNew
from livesale.database.schema import progress
from tests.livesale.database.samples import contents, difference, fill_empty_tables, lost
from tests.servers import MariaDB

LOOKS = ("SELECT", "SHOW", "SET", "DESCRIBE", "PRAGMA")


class Cut(Exception):
    """Where a kill would have ended the process."""


@pytest.fixture
async def sql(mariadb_url: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = database.connect(mariadb_url, tmp_path)
    yield engine
    await engine.dispose()


@contextmanager
def cut_after(engine: AsyncEngine, changes: int) -> Iterator[None]:
    """End what runs on this engine after so many statements that change something."""
    left = changes

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal left
        if not statement.lstrip().upper().startswith(LOOKS):
            left -= 1
            if left == 0:
                raise Cut(statement)

    event.listen(engine.sync_engine, "after_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, "after_cursor_execute", count)


async def run_cut(engine: AsyncEngine, changes: int) -> str | None:
    """Migrate, but for a cut: behind which statement it was; None when it came to its end."""
    try:
        with cut_after(engine, changes):
            await schema.migrate(engine)
    except Cut as cut:
        return str(cut)
    return None


async def fill(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(fill_empty_tables)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_cut_behind_every_statement_is_continued(sql: AsyncEngine, every: int) -> None:
    # given an empty database, when every run is cut behind its next change (`make soak`), or its
    # seventh, and each new table gets rows as soon as its migration is over
    cuts, changes = 0, every
    kept: dict[str, list[dict[str, Any]]] = {}
    while (statement := await run_cut(sql, changes)) is not None:
        cuts += 1
        # A change of data stands only with the next DDL or the end: let one more through.
        is_data = statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
        changes = changes + 1 if is_data else every
        if "alembic_version" in statement and is_data:
            await fill(sql)
            async with sql.connect() as connection:
                after = await connection.run_sync(contents)
            assert lost(kept, after) == []
            kept = after
    # then the last run reaches head, with the tables as they should be and every row kept
    async with sql.connect() as connection:
        assert await connection.run_sync(difference) == []
        assert lost(kept, await connection.run_sync(contents)) == []
    assert (await progress(sql)).is_head
    assert kept
    assert cuts > 60 // every


async def test_what_a_cut_left_is_said(sql: AsyncEngine) -> None:
    # given a database without tables
    assert (await progress(sql)).explain()[0] == "this database has no tables of livesale"
    # when a migration is cut, then the number of steps that stand is told, and what to do
    await run_cut(sql, 4)
    cut = await progress(sql)
    problem, cure = cut.explain()
    assert (cut.revision, cut.done, cut.running) == (None, 3, False)
    assert f"3 of the {cut.left} steps" in problem
    assert "`livesale migrate` again" in cure
    # and while somebody migrates, that is what is said
    async with sql.connect() as other:
        await other.execute(text(f"SELECT GET_LOCK({schema.LOCK_NAME}, 0)"))
        running = await progress(sql)
        assert "runs now" in running.explain()[0]
        await other.execute(text(f"SELECT RELEASE_LOCK({schema.LOCK_NAME})"))


async def test_a_missing_right_can_be_granted_and_the_migration_repeated(
    mariadb_server: MariaDB, mariadb_url: str, tmp_path: Path
) -> None:
    # given a user without the right to make an index
    name = mariadb_url.partition("?")[0].rpartition("/")[2]
    mariadb_server.execute(f"CREATE USER '{name}'@localhost")
    rights = "CREATE, ALTER, SELECT, INSERT, UPDATE, DELETE"
    mariadb_server.execute(f"GRANT {rights} ON {name}.* TO '{name}'@localhost")
    engine = database.connect(mariadb_url.replace("root@", f"{name}@"), tmp_path)
    with pytest.raises(DBAPIError, match="1142"):
        await schema.migrate(engine)
    await engine.dispose()  # MariaDB keeps the rights that a session began with
    # when it is granted and the migration repeated, then it reaches head
    mariadb_server.execute(f"GRANT INDEX ON {name}.* TO '{name}'@localhost")
    await schema.migrate(engine)
    assert (await progress(engine)).is_head
    await engine.dispose()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE skus (sku_id VARCHAR(15) PRIMARY KEY)", "skus.title exists already"),
        (
            "CREATE TABLE skus (sku_id VARCHAR(15) PRIMARY KEY, title TEXT NOT NULL,"
            " price_fen BIGINT NOT NULL, created_ms BIGINT NOT NULL)",
            "skus.title exists already",
        ),
        (
            "CREATE TABLE skus (sku_id VARCHAR(15) PRIMARY KEY, title VARCHAR(200) NOT NULL,"
            " price_fen BIGINT NOT NULL, created_ms BIGINT NOT NULL) COLLATE utf8mb4_general_ci",
            "collation of skus",
        ),
    ],
)
async def test_a_table_of_somebody_else_is_not_taken(
    statement: str, named: str, sql: AsyncEngine
) -> None:
    # given a table of the same name that is not of livesale
    async with sql.begin() as connection:
        await connection.execute(text(statement))
    # when the database is migrated, then it is refused, and the difference is named
    with pytest.raises(SchemaDiffers, match=named):
        await schema.migrate(sql)
    assert (await progress(sql)).revision is None


async def test_tables_of_a_later_version_are_left_alone(sql: AsyncEngine) -> None:
    # given a database that a later version of livesale has migrated
    await schema.migrate(sql)
    async with sql.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    # when this version migrates it, then it is refused by name
    with pytest.raises(SchemaTooNew, match="9999_later"):
        await schema.migrate(sql)


async def test_who_looks_while_tables_are_made_is_told_so(
    sql: AsyncEngine, mariadb_url: str, tmp_path: Path
) -> None:
    # given somebody who looks all the time
    watcher = database.connect(mariadb_url, tmp_path)
    migrating = asyncio.create_task(schema.migrate(sql))
    running = 0
    # when the tables are made, then each look has an answer
    while not migrating.done():
        running += (await progress(watcher)).running
    await migrating
    assert running
    assert (await progress(watcher)).is_head
    await watcher.dispose()
