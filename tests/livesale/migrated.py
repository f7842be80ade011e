"""New deployments: each test process makes one a kind, with what makes them in production.

Migrations and first rows take more than half a second, and two thousand tests need their result:
they get a copy.
"""

import shutil
import tempfile
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.database.engine import sqlite_file
from livesale.database.schema import migrate
from livesale.deployment.partitions import check_partitions, claim_partitions
from livesale.ledger.tables import log_offsets
from stock.keyspace import Keyspace

Epochs = dict[int, int]

# By the number of partitions: the file of SQLite, what makes the tables of MariaDB and their rows.
_sqlite: dict[int, tuple[bytes, Epochs]] = {}
_mariadb: dict[int, tuple[list[str], Epochs]] = {}


async def open_books(
    redis: Redis, url: str, folder: Path, sql: AsyncEngine, keyspace: Keyspace
) -> Epochs:
    """The epoch of each partition of a deployment. One that is new is on an empty Redis, and gets
    its tables, its first rows and its epochs in Redis."""
    number = keyspace.partitions
    file = sqlite_file(url, folder)
    if file is not None and file.exists():
        return await _make(redis, sql, keyspace)
    if file is None:
        if number not in _mariadb:
            epochs = await _make(redis, sql, keyspace)
            _mariadb[number] = await _statements(sql), epochs
            return epochs
        statements, epochs = _mariadb[number]
        async with sql.begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    else:
        if number not in _sqlite:
            _sqlite[number] = await _image(redis, keyspace)
        image, epochs = _sqlite[number]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image)
        file.chmod(0o600)
    await redis.mset({keyspace.epoch(partition): epoch for partition, epoch in epochs.items()})
    return dict(epochs)


async def _make(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> Epochs:
    """As production does it."""
    await migrate(sql)
    await claim_partitions(redis, sql, keyspace)
    return await check_partitions(redis, sql, keyspace)


async def _image(redis: Redis, keyspace: Keyspace) -> tuple[bytes, Epochs]:
    folder = Path(tempfile.mkdtemp(prefix="livesale-"))
    file = folder / "template.sqlite3"
    engine = database.connect(f"sqlite:///{file}", folder)
    epochs = await _make(redis, engine, keyspace)
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    await engine.dispose()
    image = file.read_bytes()
    shutil.rmtree(folder)
    return image, epochs


async def _statements(sql: AsyncEngine) -> list[str]:
    made = []
    async with sql.connect() as connection:
        for name in list(await connection.scalars(text("SHOW TABLES"))):
            row = (await connection.execute(text(f"SHOW CREATE TABLE {name}"))).one()
            made.append(str(row[1]))
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        made.append(f"INSERT INTO alembic_version VALUES ('{revision}')")
        rows = await connection.execute(select(log_offsets))
        made += [f"INSERT INTO log_offsets VALUES {tuple(row)!r}" for row in rows]
    return made
