"""The schema of a database: brings it up to date with the migrations inside this package."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

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
        found = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
    return found == head()


def head() -> str:
    """The revision of this version of livesale."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  a package without migrations was never built
    return revision


def _upgrade(connection: Connection) -> str:
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
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    finally:
        if named_lock:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})
    return head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "livesale.store:migrations")
    return config
