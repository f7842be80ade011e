"""No statement is one that a distributed database of MySQL's kind refuses."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.mysql import dialect
from sqlalchemy.schema import CreateTable

import livesale.app  # noqa: F401  all features bring their tables
from livesale.database import engine as database
from livesale.database.tables import metadata
from tests.livesale.distributed_sql import REFUSED, refusals

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"


def test_the_tables_are_of_the_kind_that_can_be_spread() -> None:
    for table in metadata.tables.values():
        assert list(table.primary_key), table.name
        assert not table.foreign_keys, table.name
        assert refusals(str(CreateTable(table).compile(dialect=dialect()))) == [], table.name


async def test_a_statement_that_would_be_refused_fails_in_tests(
    mariadb_url: str, tmp_path: Path
) -> None:
    engine = database.connect(mariadb_url, tmp_path)
    statements = {
        "SELECT a FROM b WHERE c = 1 FOR UPDATE SKIP LOCKED": "TiDB: SKIP LOCKED",
        "LOCK TABLES a WRITE": "Galera: LOCK TABLES",
        "SELECT GET_LOCK('a', 1)": "Galera: named locks",
        "XA START 'a'": "TiDB, Galera: XA",
        "CREATE TABLE a SELECT * FROM b": "TiDB: CREATE TABLE",
        "SELECT a FROM b WHERE MATCH (c) AGAINST ('d')": "TiDB: full-text search",
    }
    async with engine.connect() as connection:
        for statement, why in statements.items():
            with pytest.raises(AssertionError, match=re.escape(why)):
                await connection.execute(text(statement))
    await engine.dispose()


def test_the_page_has_the_list() -> None:
    page = PAGE.read_text()
    for what, who in REFUSED.values():
        if who != "our own rule":
            assert f"| {what} | {who} |" in page
