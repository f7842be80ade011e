"""What a process asks of its stores before it works with them. Each check raises Refused."""

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.errors import Refused

REDIS_URL = "LIVESALE__REDIS__URL"
SQL_URL = "LIVESALE__SQL__URL"
DURABILITY = "LIVESALE__REDIS__DURABILITY"

OLDEST_REDIS = (7, 0)  # scripts that begin with #!lua; Valkey says 7.2.4 here
OLDEST_MYSQL = (8, 0)
OLDEST_MARIADB = (10, 6)


async def check_redis(redis: Redis, durability: str) -> None:
    """The server answers, is a primary, new enough, never evicts, and is as durable as asked.

    `durability` is `fsync` (appendonly with appendfsync always) or `none` (not looked at).
    """
    try:
        about = await redis.info("server", "replication")
    except AuthenticationError as error:
        raise Refused(REDIS_URL, f"Redis refuses us: {error}", "Correct its password.") from None
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None
    version = str(about["redis_version"])
    if _numbers(version) < OLDEST_REDIS:
        raise Refused(REDIS_URL, f"Redis {version} is too old", "Use Redis 7.0 or Valkey 7.2 on.")
    if about["role"] != "master":
        raise Refused(REDIS_URL, "this Redis is a replica", "Name its primary.")
    try:
        found = await redis.config_get("maxmemory-policy", "appendonly", "appendfsync")
    except (NoPermissionError, ResponseError) as error:
        problem = f"its durability cannot be read: {error}"
        raise Refused(REDIS_URL, problem, "Allow CONFIG GET to this user.") from None
    policy = found["maxmemory-policy"]
    if policy != "noeviction":
        raise Refused(
            REDIS_URL,
            f"maxmemory-policy is {policy}, which may throw stock away",
            "Run CONFIG SET maxmemory-policy noeviction there, and put it into its redis.conf.",
        )
    if durability == "none":
        return
    if found["appendonly"] != "yes" or found["appendfsync"] != "always":
        stands = f"appendonly {found['appendonly']}, appendfsync {found['appendfsync']}"
        raise Refused(
            DURABILITY,
            f"fsync is asked for, but Redis runs with {stands}: a crash would lose answers given",
            "Run CONFIG SET appendonly yes and CONFIG SET appendfsync always there, and put them "
            "into its redis.conf.",
        )


async def check_sql(sql: AsyncEngine, durability: str) -> None:
    """The database answers, is new enough, and a commit is on disk when it returns."""
    try:
        async with sql.connect() as connection:
            if connection.dialect.name == "sqlite":
                await connection.execute(text("SELECT 1"))
                return
            row = await connection.execute(
                text("SELECT VERSION(), @@innodb_flush_log_at_trx_commit")
            )
            version, flush = row.one()
    except (DBAPIError, OSError, TimeoutError) as error:
        raise unreachable_sql(error) from None
    oldest = OLDEST_MARIADB if "MariaDB" in version else OLDEST_MYSQL
    if _numbers(version) < oldest:
        raise Refused(SQL_URL, f"{version} is too old", "Use MySQL 8 or MariaDB 10.6 on.")
    if durability == "fsync" and int(flush) != 1:
        raise Refused(
            SQL_URL,
            f"innodb_flush_log_at_trx_commit is {flush}: a crash could lose orders",
            "Run SET GLOBAL innodb_flush_log_at_trx_commit=1 there, and put it into its my.cnf.",
        )


def unreachable_redis(error: Exception) -> Refused:
    return Refused(REDIS_URL, f"Redis cannot be reached: {error}", "Start it, or correct this.")


def unreachable_sql(error: Exception) -> Refused:
    reason = getattr(error, "orig", None) or error
    return Refused(
        SQL_URL, f"the database cannot be reached: {reason}", "Start it, or correct this."
    )


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
