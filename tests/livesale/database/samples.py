"""Rows for tables of any revision, and what a database holds: for tests of migrations."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

import livesale.app  # noqa: F401  with it every table is in the metadata
from livesale.database.tables import metadata

VERSION_TABLE = "alembic_version"

Contents = dict[str, list[dict[str, Any]]]


def fill_empty_tables(connection: Connection, rows: int = 3) -> None:
    """Put `rows` rows into each table that has none, whatever its columns are."""
    for table in _reflect(connection):
        if connection.execute(select(table).limit(1)).first() is None:
            made = [{c.name: _value(c, row) for c in table.columns} for row in range(1, rows + 1)]
            connection.execute(insert(table), made)


def contents(connection: Connection) -> Contents:
    """Every row of every table but the revision's."""
    found = {}
    for table in _reflect(connection):
        rows = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        found[table.name] = [dict(row) for row in rows]
    return found


def lost(before: Contents, after: Contents) -> list[str]:
    """What is not in `after` as it was in `before`. New tables and columns are no loss."""
    found = []
    for table, rows in before.items():
        if len(after.get(table, [])) < len(rows):
            found.append(f"{table}: {len(after.get(table, []))} rows of {len(rows)}")
            continue
        for old, new in zip(rows, after[table], strict=False):
            found += [f"{table}.{name}" for name in old if old[name] != new.get(name)]
    return found


def difference(connection: Connection) -> list[object]:
    """What keeps the schema from being that of livesale.database.tables."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _reflect(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for name, table in sorted(found.tables.items()) if name != VERSION_TABLE]


def _value(column: Column[Any], row: int) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return bool(row % 2)
    if isinstance(kind, Integer):  # of every size; a TINYINT(1) is a Boolean
        return row % 2 if getattr(kind, "display_width", None) == 1 else row
    if isinstance(kind, Float):
        return row + 0.5
    assert isinstance(kind, String | Text), column
    return f"{row}袜{column.name}"[: kind.length or 20]
