"""Databases that are migrated already: each test process runs the migrations once a kind.

A migration takes more than half a second, and hundreds of tests need its result: they get a copy.
"""

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.database.engine import sqlite_file
from livesale.database.schema import migrate

_sqlite: bytes | None = None
_mariadb: list[str] = []  # what makes each table, and the rows that the migrations wrote


async def migrated(url: str, folder: Path, sql: AsyncEngine) -> None:
    """Bring an empty database to the head of the migrations."""
    file = sqlite_file(url, folder)
    if file is None:
        await _copy_mariadb(sql)
    elif not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(await _sqlite_image())
        file.chmod(0o600)
    else:
        await migrate(sql)


async def _sqlite_image() -> bytes:
    global _sqlite
    if _sqlite is None:
        folder = Path(tempfile.mkdtemp(prefix="livesale-"))
        file = folder / "template.sqlite3"
        engine = database.connect(f"sqlite:///{file}", folder)
        await migrate(engine)
        async with engine.connect() as connection:
            await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        await engine.dispose()
        _sqlite = file.read_bytes()
        shutil.rmtree(folder)
    return _sqlite


async def _copy_mariadb(sql: AsyncEngine) -> None:
    if not _mariadb:
        await migrate(sql)
        async with sql.connect() as connection:
            names = list(await connection.scalars(text("SHOW TABLES")))
            for name in names:
                row = (await connection.execute(text(f"SHOW CREATE TABLE {name}"))).one()
                _mariadb.append(str(row[1]))
            revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            _mariadb.append(f"INSERT INTO alembic_version VALUES ('{revision}')")
        return
    async with sql.begin() as connection:
        for statement in _mariadb:
            await connection.exec_driver_sql(statement)
