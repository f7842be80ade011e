"""The schema of a database: brings it up to date with the migrations inside this package.

Alembic is imported only where there is something to migrate: it takes as long as half of
SQLAlchemy, and nearly every process finds its tables as they should be. An empty SQLite file gets
them from `livesale.store.tables` at once; a test holds the two ways against each other.
"""

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
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.store.tables import metadata

HEAD = "0011_room_numbers"  # the last of the migrations

# Alembic's own table, as it makes it.
_revisions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

_LOCK_NAME = "livesale.migrate"
_LOCK_WAIT_S = 60


async def migrate(engine: AsyncEngine) -> str:
    """Create or upgrade all tables and say the revision. Safe to run twice, and at the same time.

    Raises TimeoutError when another process has been migrating for a minute.
    """
    async with engine.connect() as connection:
        await connection.execution_options(livesale_writes=True)
        async with connection.begin():
            revision: str = await connection.run_sync(_upgrade)
            return revision


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the tables are those that this version of livesale expects."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision) == HEAD


def head() -> str:
    """The revision of this version of livesale."""
    return HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_revisions.name):
        return None
    found: str | None = connection.scalar(_revisions.select())
    return found


def _upgrade(connection: Connection) -> str:
    if _revision(connection) == HEAD:  # written when its last table stood
        return HEAD
    if connection.dialect.name == "sqlite" and not inspect(connection).get_table_names():
        metadata.create_all(connection)
        _revisions.create(connection)
        connection.execute(_revisions.insert().values(version_num=HEAD))
    else:
        _migrate(connection)
    return HEAD


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "livesale.store:migrations")
    config.attributes["connection"] = connection
    # DDL commits by itself in MySQL, so a transaction keeps no second process out: a named lock
    # does. SQLite's write lock covers it all.
    named_lock = connection.dialect.name in ("mysql", "mariadb")
    if named_lock:
        taken = connection.scalar(
            text("SELECT GET_LOCK(:name, :wait_s)"), {"name": _LOCK_NAME, "wait_s": _LOCK_WAIT_S}
        )
        if taken != 1:
            raise TimeoutError("another process has been migrating this database for a minute")
    try:
        command.upgrade(config, "head")
    finally:
        if named_lock:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})
