"""The doctor holds the pools of all processes against what the stores give."""

from pathlib import Path

from redis.asyncio import Redis

from livesale.database import engine as database
from livesale.operations import needs
from livesale.operations.finding import Verdict
from livesale.settings import Settings, load_settings
from tests.servers import MariaDB


def settings_of(**flags: int) -> Settings:
    usual = {"http__workers": 2, "sql__connections": 5, "stock__partitions": 2}
    return load_settings(**usual | flags)


async def test_more_sessions_than_mariadb_gives(
    mariadb_server: MariaDB, mariadb_url: str, tmp_path: Path
) -> None:
    engine = database.connect(mariadb_url, tmp_path)
    # given pools of 2 API workers, writer, keeper and a command: 25 sessions
    settings = settings_of()
    assert needs.sql_needs(settings) == 25
    assert (await needs.sql_connections(settings, engine)).verdict is Verdict.GOOD
    before = mariadb_server.execute("SELECT @@GLOBAL.max_connections").strip()
    mariadb_server.execute("SET GLOBAL max_connections = 24")
    try:
        # when the database gives fewer, then that is a problem, with both figures
        found = await needs.sql_connections(settings, engine)
        assert found.verdict is Verdict.PROBLEM
        assert "up to 25" in found.text
        assert "max_connections is 24" in found.text
        # and smaller pools fit
        smaller = settings_of(sql__connections=4)
        assert (await needs.sql_connections(smaller, engine)).verdict is Verdict.GOOD
    finally:
        mariadb_server.execute(f"SET GLOBAL max_connections = {before}")
    await engine.dispose()


async def test_more_sessions_than_the_user_may_have(
    mariadb_server: MariaDB, mariadb_url: str, tmp_path: Path
) -> None:
    # given a user with a limit of its own
    name = mariadb_url.partition("?")[0].rpartition("/")[2]
    mariadb_server.execute(f"CREATE USER '{name}'@localhost WITH MAX_USER_CONNECTIONS 24")
    mariadb_server.execute(f"GRANT ALL ON {name}.* TO '{name}'@localhost")
    engine = database.connect(mariadb_url.replace("root@", f"{name}@"), tmp_path)
    # when the pools need one more, then that is a problem
    found = await needs.sql_connections(settings_of(), engine)
    assert found.verdict is Verdict.PROBLEM
    assert "this user has 24" in found.text
    await engine.dispose()


async def test_more_connections_than_redis_gives(redis: Redis) -> None:
    # given five processes with 16 and a watchman's 2 each, rooms' and notices' 1 of each API
    # worker, and 3 readers of logs with 2
    settings = settings_of(redis__connections=16)
    assert needs.redis_needs(settings) == 5 * 18 + 2 * 2 + 3 * 2
    assert (await needs.redis_connections(settings, redis)).verdict is Verdict.GOOD
    before = (await redis.config_get("maxclients"))["maxclients"]
    await redis.config_set("maxclients", 99)
    try:
        # when Redis gives fewer, then that is a problem
        found = await needs.redis_connections(settings, redis)
        assert found.verdict is Verdict.PROBLEM
        assert "up to 100" in found.text
    finally:
        await redis.config_set("maxclients", before)
