"""The steps of migrations. Each can be repeated after an interruption at any statement.

MySQL commits every DDL statement separately. A migration that is killed, or that lacks a right,
leaves its first steps and the old revision behind. So each step checks first: it keeps correct
objects, creates missing ones, and raises an error that names any difference.
A test refuses a migration that changes the schema in any other way.

`moves` of data must be repeatable by a condition, such as `WHERE new_column IS NULL`.
A later step of the same migration must not undo an earlier one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from msgspec import Struct

from livesale.database.errors import SchemaDiffers

__all__ = [
    "Step",
    "add_column",
    "create_index",
    "create_table",
    "drop_column",
    "drop_index",
    "drop_table",
    "drop_unique",
    "move",
    "only_look",
    "take",
]

# Migrations are history: this is a copy from livesale.database.tables. Change it only together with
# a migration that changes every table.
_COLLATION = "utf8mb4_bin"
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", _COLLATION))
}


class Step(Struct, frozen=True):
    """One step; `done` if the database has its result already."""

    text: str
    done: bool


# Not `alembic.op`, which is global in a process: a dry run must not disturb a migration.
_operations: ContextVar[Operations] = ContextVar("operations")
_seen: ContextVar[list[Step] | None] = ContextVar("seen", default=None)


@contextmanager
def take(context: MigrationContext) -> Iterator[None]:
    """In this block, steps change the database of this context."""
    token = _operations.set(Operations(context))
    try:
        yield
    finally:
        _operations.reset(token)


@contextmanager
def only_look(context: MigrationContext) -> Iterator[list[Step]]:
    """In this block, steps change nothing: each adds itself to the list."""
    found: list[Step] = []
    token = _seen.set(found)
    try:
        with take(context):
            yield found
    finally:
        _seen.reset(token)


def _op() -> Operations:
    return _operations.get()


def create_table(name: str, *items: sa.Column[Any]) -> None:
    """Make a table with these columns. Accepts extra columns of later steps.

    Raises SchemaDiffers for a table of this name with other columns, key or collation.
    """
    table = sa.Table(name, sa.MetaData(), *items, **_OPTIONS)

    def make() -> None:
        _op().get_bind().execute(sa.schema.CreateTable(table))

    _take(f"create table {name}", _has_table(name), make, lambda: _check_table(table))


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column. Raises SchemaDiffers for one of this name with another type."""
    _take(
        f"add column {table}.{column.name}",
        column.name in _columns(table),
        lambda: _op().add_column(table, column),
        lambda: _check_column(table, column, _columns(table)),
    )


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Make an index. Raises SchemaDiffers for one of this name over other columns."""

    def check() -> None:
        found = _indexes(table)[name]
        if found["column_names"] != list(columns) or bool(found["unique"]) != unique:
            kind = "unique " if found["unique"] else ""
            raise SchemaDiffers(f"the index {name} of {table}", f"{kind}{found['column_names']}")

    _take(
        f"create index {name}",
        name in _indexes(table),
        lambda: _op().create_index(name, table, list(columns), unique=unique),
        check,
    )


def drop_table(name: str) -> None:
    """Drop a table, if it exists."""
    _take(f"drop table {name}", not _has_table(name), lambda: _op().drop_table(name))


def drop_column(table: str, name: str) -> None:
    """Drop a column, if it exists."""
    gone = name not in _columns(table)
    _take(f"drop column {table}.{name}", gone, lambda: _op().drop_column(table, name))


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it exists."""
    gone = name not in _indexes(table)
    _take(f"drop index {name}", gone, lambda: _op().drop_index(name, table))


def drop_unique(table: str, column: str) -> None:
    """Let a column have the same value twice. SQLite gets a new table, with the same rows."""
    _take(
        f"drop unique {table}.{column}",
        _has_table(table) and not _unique_of(table, column),
        lambda: _drop_unique(table, column),
    )


def move(text: str, statement: sa.Executable) -> None:
    """Change data. The statement may run again after an interruption: its condition allows it."""
    _take(f"move {text}", False, lambda: _op().get_bind().execute(statement))


def _take(
    text: str, done: bool, make: Callable[[], object], check: Callable[[], None] | None = None
) -> None:
    seen = _seen.get()
    if seen is not None:
        seen.append(Step(text, done))
    elif not done:
        make()
    elif check is not None:
        check()


def _inspector() -> sa.Inspector:
    """A new inspector each time, because an inspector caches its results."""
    return sa.inspect(_op().get_bind())


def _has_table(name: str) -> bool:
    return _inspector().has_table(name)


def _columns(table: str) -> dict[str, Any]:
    """The columns of a table, which may be missing in a dry run."""
    if not _has_table(table):
        return {}
    return {found["name"]: found for found in _inspector().get_columns(table)}


def _indexes(table: str) -> dict[str | None, Any]:
    if not _has_table(table):
        return {}
    return {found["name"]: found for found in _inspector().get_indexes(table)}


def _unique_of(table: str, column: str) -> list[str]:
    """The names of constraints that make one column unique; empty if it is not."""
    if not _has_table(table):
        return []
    found = [*_inspector().get_unique_constraints(table), *_inspector().get_indexes(table)]
    return [
        str(one["name"])
        for one in found
        if one["column_names"] == [column] and one.get("unique", True)
    ]


def _drop_unique(table: str, column: str) -> None:
    bind = _op().get_bind()
    if bind.dialect.name != "sqlite":
        _op().drop_index(_unique_of(table, column)[0], table)
        return
    query = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND type = :type")
    given = {"name": table, "type": "table"}
    (made,) = bind.scalars(query, given).all()
    indexes = [sql for sql in bind.scalars(query, given | {"type": "index"}) if sql]
    new = re.sub(rf",\s*UNIQUE \({column}\)", "", made)
    for statement in (
        f"ALTER TABLE {table} RENAME TO {table}_old",
        new,
        f"INSERT INTO {table} SELECT * FROM {table}_old",  # noqa: S608  names of ours
        f"DROP TABLE {table}_old",
        *indexes,
    ):
        bind.exec_driver_sql(statement)


def _check_table(table: sa.Table) -> None:
    there = _columns(table.name)
    for column in table.columns:
        _check_column(table.name, column, there)
    key = _inspector().get_pk_constraint(table.name)["constrained_columns"]
    if key != [column.name for column in table.primary_key]:
        raise SchemaDiffers(f"the primary key of {table.name}", str(key))
    unique = {tuple(one["column_names"]) for one in _inspector().get_unique_constraints(table.name)}
    for column in table.columns:
        if column.unique and (column.name,) not in unique:
            raise SchemaDiffers(f"the column {table.name}.{column.name}", "not unique")
    # SQLite has no collation of tables, and compares bytes.
    collation = _inspector().get_table_options(table.name).get("mysql_collate", _COLLATION)
    if collation != _COLLATION:
        raise SchemaDiffers(f"the collation of {table.name}", str(collation))


def _check_column(table: str, column: sa.Column[Any], columns: dict[str, Any]) -> None:
    found = columns.get(column.name)
    name = f"the column {table}.{column.name}"
    if found is None:
        raise SchemaDiffers(name, "missing")
    there = sa.Column(column.name, found["type"])
    if _op().get_context().impl.compare_type(there, column):
        raise SchemaDiffers(name, str(found["type"]))
    if found["nullable"] != column.nullable:
        raise SchemaDiffers(name, "nullable" if found["nullable"] else "NOT NULL")
    if not column.nullable and (found["default"] is None) != (column.server_default is None):
        raise SchemaDiffers(name, f"with the default {found['default']}")
