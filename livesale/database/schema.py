"""The schema of a database: upgrades it with the migrations in this package.

Alembic is imported only if there is something to migrate: its import takes half as long as that of
SQLAlchemy, and for nearly every process the tables are up to date. An empty SQLite file gets its
tables directly from `livesale.database.tables`; a test compares both ways.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.errors import SchemaTooNew

HEAD = "0032_line_terms"  # the last migration

# Alembic's own table, in its form.
_revisions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# An expression, because named locks are global on a server and have at most 64 characters.
LOCK_NAME = "CONCAT('livesale.migrate.', MD5(DATABASE()))"
_LOCK_WAIT_S = 60
_BEING_MODIFIED = 1684  # MariaDB's error for reading a table that is being created or altered


async def migrate(engine: AsyncEngine) -> str:
    """Create or upgrade all tables; returns the revision. Safe to repeat and to run concurrently.

    After an interruption anywhere, the next run continues: livesale.database.migrations.steps.
    Raises TimeoutError if another process has been migrating for a minute, SchemaTooNew for
    tables of a later version, SchemaDiffers for tables that are not from livesale.
    """
    async with engine.connect() as connection:
        await connection.execution_options(livesale_writes=True)
        return await connection.run_sync(_upgrade)


def head() -> str:
    """The revision of this version of livesale."""
    return HEAD


class Progress(Struct, frozen=True):
    """The state of a schema. `revision` is the last complete migration, None before the first.

    `left` is the number of steps after it. If `done` of them are in the database, a migration was
    interrupted. If one is `running`, nothing else is known. `known` is False for a revision of a
    later version.
    """

    revision: str | None
    known: bool = True
    running: bool = False
    left: int = 0
    done: int = 0

    @property
    def is_head(self) -> bool:
        return self.revision == HEAD

    def explain(self) -> tuple[str, str]:
        """The problem and its cure. Only if `is_head` is False."""
        if not self.known:
            return (
                f"the tables are at revision {self.revision}, of a later version of livesale",
                "Use that version.",
            )
        at = f"at revision {self.revision}" if self.revision else "before the first revision"
        counted = f"{self.done} of the {self.left} steps to revision {HEAD} are done"
        if self.running:
            return "a migration runs now", "Wait until it ends, then check again."
        if self.done:
            return (
                f"a migration was cut: the tables are {at}, and {counted}",
                "Run `livesale migrate` again: it continues from there.",
            )
        if self.revision is None:
            return "this database has no tables of livesale", "Run `livesale migrate`."
        return (
            f"the tables are {at}, and this version needs revision {HEAD}",
            "Run `livesale migrate`.",
        )


async def progress(engine: AsyncEngine) -> Progress:
    """Read the state of the tables. Changes nothing."""
    async with engine.connect() as connection:
        try:
            return await connection.run_sync(_progress)
        except OperationalError as error:
            if error.orig is not None and error.orig.args[0] == _BEING_MODIFIED:
                return Progress(None, running=True)
            raise


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_revisions.name):
        return None
    found: str | None = connection.scalar(_revisions.select())
    return found


def _upgrade(connection: Connection) -> str:
    with _one_at_a_time(connection):
        if _revision(connection) == HEAD:  # written after its last table
            return HEAD
        if connection.dialect.name == "sqlite" and not inspect(connection).get_table_names():
            for statement in _head_of_sqlite():
                connection.exec_driver_sql(statement)
            _revisions.create(connection)
            connection.execute(_revisions.insert().values(version_num=HEAD))
        else:
            _migrate(connection)
        # Within the lock: no DDL commits the last revision, and the next process must see it.
        connection.commit()
    return HEAD


def _head_of_sqlite() -> list[str]:
    """The result of all migrations on an empty SQLite: `scripts.write_tables` writes it."""
    text = (files("livesale.database") / "head.sqlite.sql").read_text(encoding="utf-8")
    return [statement for part in text.split(";\n") if (statement := part.strip())]


def _progress(connection: Connection) -> Progress:
    revision = _revision(connection)
    if revision == HEAD:
        return Progress(revision)
    if _needs_lock(connection) and connection.scalar(text(f"SELECT IS_USED_LOCK({LOCK_NAME})")):
        return Progress(revision, running=True)
    pending = _pending(revision)
    if pending is None:
        return Progress(revision, known=False)
    from alembic.runtime.migration import MigrationContext

    from livesale.database.migrations.steps import only_look

    with only_look(MigrationContext.configure(connection)) as steps:
        for script in pending:
            script.module.upgrade()
    done = sum(step.done for step in steps)
    return Progress(revision, left=len(steps), done=done)


def _pending(revision: str | None) -> list[Any] | None:
    """The migrations after a revision, oldest first; None for an unknown revision."""
    from alembic.script import ScriptDirectory

    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())  # newest first
    names = [script.revision for script in scripts]
    if revision is not None and revision not in names:
        return None
    return scripts[: names.index(revision) if revision else None][::-1]


def _migrate(connection: Connection, target: str = "head") -> None:
    from alembic import command
    from alembic.util import CommandError

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError:
        revision = _revision(connection)
        if _pending(revision) is not None:
            raise
        raise SchemaTooNew(*Progress(revision, known=False).explain()) from None


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "livesale.database:migrations")
    return config


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    """In MySQL, DDL commits the transaction, so a named lock excludes other processes. The server
    frees it with the session. In SQLite, the write lock does."""
    if not _needs_lock(connection):
        yield
        return
    if connection.scalar(text(f"SELECT GET_LOCK({LOCK_NAME}, {_LOCK_WAIT_S})")) != 1:
        raise TimeoutError("another process has been migrating this database for a minute")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # a dead session has no lock
            connection.execute(text(f"SELECT RELEASE_LOCK({LOCK_NAME})"))


def _needs_lock(connection: Connection) -> bool:
    return connection.dialect.name in ("mysql", "mariadb")
