"""The largest number of connections of this machine's processes, and the limits of the stores.

Pools grow only under load: without this check, a low limit would show when the sale begins.
"""

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.deployment import watchman
from livesale.ledger import tail
from livesale.notices import followers
from livesale.operations.finding import Finding, good, note, problem
from livesale.rooms.channel import channels
from livesale.settings import Settings

COMMANDS = 1  # in addition to the processes: an audit, a drop opened by hand
KEEPER_READERS = 1  # the director of rooms reads the log


def sql_needs(settings: Settings) -> int:
    """API workers, writer, keeper and a command have one pool each."""
    return (settings.http.workers + 2 + COMMANDS) * settings.sql.connections


def redis_needs(settings: Settings) -> int:
    """Like `sql_needs`; some processes have connections besides their pool."""
    processes = settings.http.workers + 2 + COMMANDS
    each = settings.redis.connections + watchman.CONNECTIONS
    readers = settings.stock.partitions + KEEPER_READERS  # the writer reads each partition's log
    return (
        processes * each
        + settings.http.workers * (channels.CONNECTIONS + followers.CONNECTIONS)
        + readers * tail.CONNECTIONS
    )


async def sql_connections(settings: Settings, sql: AsyncEngine) -> Finding:
    """Whether the database allows as many sessions as the pools may open."""
    needed = sql_needs(settings)
    if sql.dialect.name == "sqlite":
        return good("sql connections", "SQLite has no limit")
    try:
        async with sql.connect() as connection:
            most, of_user = (
                await connection.execute(
                    text("SELECT @@GLOBAL.max_connections, @@SESSION.max_user_connections")
                )
            ).one()
            counted = await connection.execute(text("SHOW STATUS LIKE 'Threads_connected'"))
            connected = sum(int(value) for _, value in counted)
            ours = await connection.scalar(
                text(
                    "SELECT COUNT(*) FROM information_schema.processlist"
                    " WHERE user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"
                )
            )
    except DBAPIError as error:
        return note(
            "sql connections", f"the database does not say: {error.orig}", "Check it by hand."
        )
    others = max(0, connected - int(ours or 0))
    given = int(most) - others
    limits = f"max_connections is {most}"
    if others:
        limits += f", {others} of them are in use by others"
    if int(of_user):
        given = min(given, int(of_user))
        limits += f", and this user has {of_user}"
    cure = (
        "Raise max_connections (or MAX_USER_CONNECTIONS of the user) there, or lower "
        "LIVESALE__SQL__CONNECTIONS. Each machine needs its own."
    )
    return _compare("sql connections", settings, needed, given, limits, cure)


async def redis_connections(settings: Settings, redis: Redis) -> Finding:
    """Whether Redis allows as many connections as the pools may open."""
    try:
        most = int((await redis.info("clients"))["maxclients"])
    except (RedisError, KeyError) as error:
        return note("redis connections", f"Redis does not say: {error}", "Check it by hand.")
    cure = (
        "Raise maxclients there (and the limit of open files), or lower "
        "LIVESALE__REDIS__CONNECTIONS. Each machine needs its own."
    )
    needed = redis_needs(settings)
    return _compare("redis connections", settings, needed, most, f"maxclients is {most}", cure)


def _compare(
    topic: str, settings: Settings, needed: int, given: int, limits: str, cure: str
) -> Finding:
    who = f"{settings.http.workers} API workers, writer, keeper and a command here"
    said = f"{who} open up to {needed}; {limits}"
    return good(topic, said) if needed <= given else problem(topic, said, cure)
