"""The checks of a process on its stores before it uses them. Each check raises Refused."""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import (
    NoPermissionError,
    RedisError,
    ResponseError,
)
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.errors import Refused
from livesale.settings import PREFIX
from stock.hosts import groups_of, in_cluster
from stock.keyspace import Keyspace
from stock.topology.router import Shard, shards_of

REDIS_URL = "LIVESALE__REDIS__URL"
SQL_URL = "LIVESALE__SQL__URL"
DURABILITY = "LIVESALE__REDIS__DURABILITY"

GROUP_KEY = "ls:{p00}:group"  # in each group of Sentinels, although p00 is in the first one
OLDEST_REDIS = (7, 0)  # for scripts that begin with #!lua; Valkey reports 7.2.4 here
OLDEST_MYSQL = (8, 0)
OLDEST_MARIADB = (10, 6)


async def check_redis(redis: Redis, durability: str) -> None:
    """All three checks of the server: version and role, no eviction, durability."""
    await check_server(redis)
    await check_eviction(redis)
    await check_durability(redis, durability)


async def check_server(redis: Redis) -> str:
    """Check that the server answers, is a primary and new enough; returns name and version."""
    try:
        about = await redis.info("server", "replication")
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None
    version = str(about["redis_version"])
    if _numbers(version) < OLDEST_REDIS:
        raise Refused(
            REDIS_URL, f"Redis {version} is too old", "Use Redis 7.0, Valkey 7.2 or newer."
        )
    if about["role"] != "master":
        raise Refused(REDIS_URL, "this Redis is a replica", "Use its primary.")
    return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {version}"


async def check_eviction(redis: Redis) -> None:
    """Check that Redis never evicts keys: `maxmemory-policy noeviction`."""
    policy = (await _configured(redis, "maxmemory-policy"))["maxmemory-policy"]
    if policy != "noeviction":
        raise Refused(
            REDIS_URL,
            f"maxmemory-policy is {policy}, which may delete stock",
            "Run CONFIG SET maxmemory-policy noeviction there, and put it into its redis.conf.",
        )


async def check_durability(redis: Redis, durability: str) -> None:
    """Check the durability: `fsync` needs appendonly with appendfsync always, `none` nothing.

    `replicated` needs appendonly, because a primary that restarts empty empties its replicas.
    """
    if durability == "none":
        return
    found = await _configured(redis, "appendonly", "appendfsync")
    if durability == "replicated":
        if found["appendonly"] != "yes":
            raise Refused(
                DURABILITY,
                "the setting is replicated, but Redis runs with appendonly no: a primary that "
                "restarts empty would empty its replicas",
                "Run CONFIG SET appendonly yes there, and put it into its redis.conf.",
            )
        return
    if found["appendonly"] != "yes" or found["appendfsync"] != "always":
        stands = f"appendonly {found['appendonly']}, appendfsync {found['appendfsync']}"
        raise Refused(
            DURABILITY,
            f"the setting is fsync, but Redis runs with {stands}: a crash would lose reservations",
            "Run CONFIG SET appendonly yes and CONFIG SET appendfsync always there, and put them "
            "into its redis.conf.",
        )


async def find_shards(redis: Redis, keyspace: Keyspace) -> list[Shard]:
    """All primaries, with the partitions that each has."""
    try:
        return await shards_of(redis, keyspace)
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None


async def check_groups(shards: Sequence[Shard], url: str) -> None:
    """Check that each group of Sentinels is the one of its number: each keeps a mark of it.

    Others would find their partitions missing, and sell their new ones twice. Nothing is marked
    before all of them fit: who mends the URL after a wrong first start finds no wrong marks.
    """
    if in_cluster(url):
        return
    marks = [f"{number + 1} of {len(shards)}" for number in range(len(shards))]
    try:
        for mark, shard in zip(marks, shards, strict=True):
            _check_mark(mark, await shard.redis.get(GROUP_KEY))
        if len(groups_of(url)) == 1:
            return
        names = {str((await shard.redis.info("server"))["run_id"]) for shard in shards}
        if len(names) < len(shards):
            cure = "Name the Sentinels of each group, and its primary, once."
            raise Refused(REDIS_URL, "two groups of the URL are the same one", cure)
        for mark, shard in zip(marks, shards, strict=True):
            await shard.redis.set(GROUP_KEY, mark, nx=True)
            _check_mark(mark, await shard.redis.get(GROUP_KEY))
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None


def _check_mark(mark: str, found: object) -> None:
    if found not in (None, mark):
        raise Refused(
            REDIS_URL,
            f"group {mark} of the URL was group {found} before",
            "Name all groups in the order of the first start: it decides which has what.",
        )


async def check_replicas(redis: Redis, replicas: int, *, durability: str, url: str) -> None:
    """Check that enough replicas are attached, and that none may take over without them."""
    try:
        found = int((await redis.info("replication"))["connected_slaves"])
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None
    if found and durability == "fsync" and in_cluster(url):
        raise Refused(
            DURABILITY,
            "the setting is fsync, but the cluster has replicas that take over by themselves: a "
            "failover would lose acknowledged reservations",
            "Set it to replicated.",
        )
    if found < replicas:
        raise Refused(
            f"{PREFIX}REDIS__REPLICAS",
            f"{replicas} replicas must confirm, but Redis has {found}",
            "Attach replicas, or require fewer.",
        )


async def check_sql(sql: AsyncEngine, durability: str) -> str:
    """Check that the database answers, is new enough, and commits durably; returns its version."""
    try:
        async with sql.connect() as connection:
            if connection.dialect.name == "sqlite":
                row = await connection.execute(text("SELECT sqlite_version()"))
                return f"SQLite {row.scalar_one()}"
            row = await connection.execute(
                text("SELECT VERSION(), @@innodb_flush_log_at_trx_commit")
            )
            version, flush = row.one()
            row = await connection.execute(
                text("SHOW VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')")
            )
            logs = {str(name): str(value) for name, value in row}
    except (DBAPIError, OSError, TimeoutError) as error:
        raise unreachable_sql(error) from None
    oldest = OLDEST_MARIADB if "MariaDB" in version else OLDEST_MYSQL
    if _numbers(version) < oldest:
        raise Refused(SQL_URL, f"{version} is too old", "Use MySQL 8, MariaDB 10.6 or newer.")
    if durability != "none" and int(flush) != 1:
        raise Refused(
            SQL_URL,
            f"innodb_flush_log_at_trx_commit is {flush}: a crash could lose orders",
            "Run SET GLOBAL innodb_flush_log_at_trx_commit=1 there, and put it into its my.cnf.",
        )
    if logs.get("log_bin") == "ON" and logs.get("binlog_format") == "STATEMENT":
        raise Refused(
            SQL_URL,
            "binlog_format is STATEMENT: the database refuses every write at READ COMMITTED",
            "Run SET GLOBAL binlog_format = MIXED there, and put it into its my.cnf.",
        )
    return str(version) if "MariaDB" in version else f"MySQL {version}"


def unreachable_redis(error: Exception) -> Refused:
    # redis-py reports a wrong password as a lost connection: only the text shows it.
    if "username-password" in str(error) or "authenticated" in str(error):
        return Refused(REDIS_URL, f"Redis refuses us: {error}", "Correct its user and password.")
    said = _with_causes(error)
    return Refused(REDIS_URL, f"Redis cannot be reached: {said}", _cure(said, "ssl_ca_certs"))


def unreachable_sql(error: Exception) -> Refused:
    said = _with_causes(getattr(error, "orig", None) or error)
    return Refused(SQL_URL, f"the database cannot be reached: {said}", _cure(said, "ssl_ca"))


def _with_causes(error: BaseException) -> str:
    """A driver's text, with that of its cause, such as why a certificate was refused."""
    said = str(error).rstrip(".")
    cause = error.__cause__
    while cause is not None:
        why = str(cause).rstrip(".")
        if why and why not in said:
            said += f": {why}"
        cause = cause.__cause__
    return said


def _cure(said: str, option: str) -> str:
    if "certificate verify failed" in said:
        return (
            f"Name the authority of its certificate with {option}=/path/ca.pem, and the host as "
            "the certificate does."
        )
    if "Access denied" in said:
        return (
            "Correct user, password and rights. A new MariaDB has an anonymous user that comes "
            "before ours on its own machine: DROP USER ''@localhost there."
        )
    return "Start it, or correct this."


async def _configured(redis: Redis, *names: str) -> dict[str, str]:
    try:
        found = await redis.config_get(*names)
    except (NoPermissionError, ResponseError) as error:
        problem = f"its configuration cannot be read: {error}"
        raise Refused(REDIS_URL, problem, "Allow CONFIG GET to this user.") from None
    except (RedisError, OSError) as error:
        raise unreachable_redis(error) from None
    return {str(name): str(value) for name, value in found.items()}


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
