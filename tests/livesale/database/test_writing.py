"""A database that answers and refuses writes: said at once, and left at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.app import PARTS, build_app
from livesale.catalogue.tables import skus
from livesale.database import engine as database
from livesale.database import schema
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.deployment.startup import check_sql
from livesale.errors import Refused
from livesale.ledger.writable import find_refusal
from livesale.operations.doctor import examine
from livesale.operations.finding import Verdict
from livesale.operations.health import Health
from tests.livesale.api import Api, outdate
from tests.livesale.stage import open_stage
from tests.servers import MariaDB, Valkey

SKU = {"sku_id": "a", "title": "socks", "price_fen": 1, "created_ms": 1}


@pytest.fixture
def plain_url(mariadb_server: MariaDB, mariadb_url: str) -> str:
    """A database for a user whom `read_only` binds; it does not bind root."""
    name = mariadb_url.partition("?")[0].rpartition("/")[2]
    mariadb_server.execute(
        f"CREATE USER '{name}'@localhost; GRANT ALL ON {name}.* TO '{name}'@localhost"
    )
    return mariadb_url.replace("root@", f"{name}@")


@pytest.fixture
async def sql(plain_url: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = database.connect(plain_url, tmp_path, connections=3)
    await schema.migrate(engine)
    yield engine
    await engine.dispose()


async def add_sku(engine: AsyncEngine) -> None:
    async with session(engine, write=True) as connection:
        await connection.execute(insert(skus), [SKU])


async def ids_of_connections(engine: AsyncEngine) -> set[int]:
    """Those of a full pool."""
    opened = [await engine.connect() for _ in range(3)]
    ids = {await connection.scalar(text("SELECT CONNECTION_ID()")) for connection in opened}
    for connection in opened:
        await connection.close()
    return ids


async def test_read_only_drops_every_connection_at_once(
    sql: AsyncEngine, mariadb_server: MariaDB
) -> None:
    # given a full pool, and a server that an operator has made read-only
    before = await ids_of_connections(sql)
    mariadb_server.execute("SET GLOBAL read_only = 1")
    try:
        # when one of them is refused a write
        with pytest.raises(StoreUnavailable):
            await add_sku(sql)
        assert "1290" in await find_refusal(sql)
    finally:
        mariadb_server.execute("SET GLOBAL read_only = 0")
    # then none of them is used again, and the next write works
    await add_sku(sql)
    assert not before & await ids_of_connections(sql)
    assert await find_refusal(sql) == ""


@pytest.mark.parametrize("code", [1047, 1053, 1290, 1792, 1836])
async def test_each_code_that_refuses_writes(sql: AsyncEngine, code: int) -> None:
    # given a statement that ends so
    before = await ids_of_connections(sql)
    with pytest.raises(StoreUnavailable):
        async with session(sql) as connection:
            await connection.execute(
                text(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'no'")
            )
    # then every connection is replaced
    assert not before & await ids_of_connections(sql)


async def test_a_user_without_rights_is_told(
    sql: AsyncEngine, plain_url: str, mariadb_server: MariaDB, tmp_path: Path
) -> None:
    # given a user who may only read
    name = plain_url.partition("?")[0].rpartition("/")[2]
    mariadb_server.execute(f"REVOKE ALL ON {name}.* FROM '{name}'@localhost")
    mariadb_server.execute(f"GRANT SELECT ON {name}.* TO '{name}'@localhost")
    # when the database is asked for a write, then that is the reason
    engine = database.connect(plain_url, tmp_path)
    assert "1142" in await find_refusal(engine)
    await engine.dispose()


async def test_a_read_only_file(sqlite_url: str, tmp_path: Path) -> None:
    # given SQLite, and a connection to a file that was read-only when it was opened
    engine = database.connect(sqlite_url, tmp_path, connections=1)
    await schema.migrate(engine)
    async with engine.connect() as connection:
        await connection.execute(text("PRAGMA query_only = 1"))
    # when it is asked for a write, then that is the reason, and the connection is not used again
    assert "readonly database" in await find_refusal(engine)
    assert await find_refusal(engine) == ""
    await add_sku(engine)
    await engine.dispose()


async def test_a_binary_log_that_refuses_our_writes(tmp_path: Path) -> None:
    # given a server that logs statements, which no READ COMMITTED transaction may be
    server = MariaDB("--log-bin=binlog", "--server-id=1", "--binlog-format=STATEMENT")
    try:
        server.start()
        url = server.database()
        engine = database.connect(url, tmp_path)
        # when it is looked at, then it is refused before anything is done
        with pytest.raises(Refused, match="binlog_format is STATEMENT"):
            await check_sql(engine, "fsync")
        # and a migration that was cut by it goes on when that is put right
        with pytest.raises(DBAPIError, match="1665"):
            await schema.migrate(engine)
        await engine.dispose()
        server.execute("SET GLOBAL binlog_format = MIXED")
        await check_sql(engine, "fsync")
        await schema.migrate(engine)
        assert (await schema.progress(engine)).is_head
        await engine.dispose()
    finally:
        server.remove()


async def test_readiness_and_doctor_say_it(
    redis: Redis,
    redis_server: Valkey,
    plain_url: str,
    mariadb_server: MariaDB,
    tmp_path: Path,
) -> None:
    async with open_stage(redis, redis_server.url, plain_url, tmp_path) as stage:
        api = Api(build_app(stage), stage)
        await api.start()
        try:
            # given a service on a database that becomes read-only
            assert (await api.get("/readyz")).body["sql"]["ok"]
            mariadb_server.execute("SET GLOBAL read_only = 1")
            # when it is asked, then it says so, and goes on selling
            health = api.app[PARTS][Health]
            outdate(health._stores)
            outdate(health._writing)
            reply = await api.get("/readyz")
            assert (reply.status, reply.body["status"]) == (200, "degraded")
            assert "refuses writes" in reply.body["sql"]["detail"]
            # and so does the doctor
            found = {finding.topic: finding async for finding in examine(stage.settings)}
            assert found["writing"].verdict is Verdict.PROBLEM
            assert "1290" in found["writing"].text
        finally:
            mariadb_server.execute("SET GLOBAL read_only = 0")
            await api.stop()
