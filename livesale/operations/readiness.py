"""Checks for a sale that a start does not make.

Memory for the stock, a writer that keeps up, a Redis user without unnecessary rights, no leftovers
of the last sale, encrypted connections.
"""

import asyncio
import math
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.ledger.log_end import too_new
from livesale.ledger.quarantine import QuarantineState
from livesale.ledger.tables import books, drops, log_offsets, quarantine, refunds
from livesale.operations.finding import Finding, good, note, problem
from livesale.settings import Settings
from stock.connection import hosts_of
from stock.hosts import CLUSTER_TLS, SENTINEL_TLS, groups_of, has_failover
from stock.keyspace import Keyspace
from stock.log import LogReader
from stock.topology.router import shards_of

# Measured on Valkey 9.1 with buyers of 28 characters, in batches of 50: 322 bytes of memory and 266
# of AOF for a reservation. In small batches, the log's share is larger; payments lengthen records.
BYTES_PER_RESERVATION = 640
LARGEST_LAG = 1_000  # entries: a running writer is never that far behind for long
MEBIBYTE = 1 << 20
WRITER_S = 1.0  # a running writer handles an entry in this time

# Harmless even if allowed: the server refuses both because of their arguments.
_TOO_MUCH: tuple[tuple[str, ...], ...] = (
    ("CONFIG", "SET", "livesale-no-such-option", "1"),
    ("EVAL", "return 1", "0"),
    ("ACL", "WHOAMI"),
)


async def rights(redis: Redis, settings: Settings) -> Finding:
    """Whether this Redis user has more rights than the service needs."""
    if settings.redis.url == "embedded":
        return good("rights", "no other user of this machine can reach the embedded Redis")
    allowed = []
    for command in _TOO_MUCH:
        try:
            await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except NoPermissionError:
            continue
        except ResponseError:
            pass  # the command itself failed, so this user may run it
        allowed.append(command[0])
    if not allowed:
        return good("rights", "this Redis user has only the rights that the service needs")
    text = f"this Redis user may also {', '.join(allowed)}: so may anybody who steals its URL"
    cure = "Give the service the user of config/redis-users.acl; see docs/threats.md."
    return note("rights", text, cure)


async def lag(redis: Redis, sql: AsyncEngine, settings: Settings) -> Finding:
    """How far SQL is behind the log."""
    keyspace, behind = Keyspace(settings.stock.partitions), 0
    async with sql.connect() as connection:
        rows = await connection.execute(select(log_offsets.c.partition, log_offsets.c.entries))
        written = {row.partition: row.entries for row in rows}
    for partition in range(keyspace.partitions):
        added = (await LogReader(redis, keyspace.log(partition)).info()).entries_added
        behind += max(0, added - written.get(partition, 0))
    text = f"SQL is {behind:,} entries behind the log"
    if behind <= LARGEST_LAG:
        return good("lag", text)
    cure = "Start `livesale writer`, or find out what delays it; wait until it catches up."
    return note("lag", text, cure)


async def log_versions(redis: Redis, sql: AsyncEngine, settings: Settings) -> Finding:
    """Whether a writer waits before entries of a later version."""
    keyspace = Keyspace(settings.stock.partitions)
    found: dict[int, str] = {}
    for look in range(2):
        async with sql.connect() as connection:
            rows = await connection.execute(select(log_offsets.c.partition, log_offsets.c.offset))
            offsets = {row.partition: row.offset for row in rows}
        now = await too_new(redis, keyspace, offsets)
        found = {number: why for number, why in now.items() if not look or why == found.get(number)}
        if not found:
            return good("log", "this version can read the next entries")
        if not look:
            await asyncio.sleep(WRITER_S)  # a newer writer may be writing it now
    text = "; ".join(
        f"the writer of p{number:02d} stopped at {why}" for number, why in found.items()
    )
    cure = (
        "Start a writer of the version that wrote it: it continues by itself. If somebody wrote "
        "the entry by hand, use `livesale quarantine add`."
    )
    return problem("log", text, cure)


async def leftovers(sql: AsyncEngine) -> list[Finding]:
    """Due refunds, and log entries in quarantine."""
    async with sql.connect() as connection:
        due = select(func.count()).select_from(refunds).where(refunds.c.state == "due")
        owed = await connection.scalar(due) or 0
        left = select(func.count()).where(quarantine.c.state == QuarantineState.ASIDE)
        aside = await connection.scalar(left) or 0
    found = []
    if owed:
        text = f"{owed:,} refunds are due"
        found.append(note("refunds", text, "Find out why they are not sent."))
    else:
        found.append(good("refunds", "none is due"))
    if aside:
        text = f"{aside:,} log entries are in quarantine"
        cure = "`livesale quarantine list` says why; then replay or dismiss each."
        found.append(problem("quarantine", text, cure))
    else:
        found.append(good("quarantine", "empty"))
    return found


async def rewrites(redis: Redis) -> Finding:
    """Whether Redis leaves it to the keeper when its AOF is rewritten."""
    cure = (
        "Run CONFIG SET auto-aof-rewrite-percentage 0 there, and put it into its redis.conf: the "
        "keeper rewrites the AOF between sales."
    )
    try:
        found = await redis.config_get("auto-aof-rewrite-percentage")
    except RedisError:
        return note("rewrites", "Redis does not say whether it rewrites its AOF by itself", cure)
    percent = int(found.get("auto-aof-rewrite-percentage") or 0)
    if not percent:
        return good("rewrites", "the keeper decides when the AOF is rewritten")
    text = f"Redis rewrites its AOF when it has grown by {percent} %, also in a sale"
    return note("rewrites", text, cure)


async def coverage(redis: Redis) -> Finding:
    """Whether this node of a cluster sells on while another one is away."""
    name = "cluster-require-full-coverage"
    cure = f"Run CONFIG SET {name} no there, and put it into its configuration."
    try:
        found = await redis.config_get(name)
    except RedisError:
        return note("coverage", "the cluster does not say whether it needs all of its slots", cure)
    if found.get(name) == "no":
        return good("coverage", "it sells on while another primary is away")
    return note("coverage", "no primary of the cluster sells while one of them is away", cure)


class MemoryNeed(Struct, frozen=True):
    """Bytes that reservations of all units on offer need, and that Redis has left. `most` is 0 if
    Redis knows no limit."""

    units: int
    needed: int
    free: int
    most: int
    is_limit_set: bool

    @property
    def is_enough(self) -> bool:
        return not self.most or self.needed <= self.free

    @property
    def is_ample(self) -> bool:
        # Log entries that SQL lacks, buffers and an AOF rewrite need memory as well.
        return not self.most or self.needed * 2 <= self.free


async def memory_need(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> MemoryNeed:
    """The need of the server that has least to spare. Raises RedisError if Redis does not say."""
    units_left = func.coalesce(func.sum(func.coalesce(books.c.available, drops.c.allotted)), 0)
    query = (
        select(drops.c.partition, units_left)
        .select_from(drops.outerjoin(books, books.c.drop_id == drops.c.drop_id))
        .where(drops.c.archived_ms.is_(None), drops.c.state != "closed")
        .group_by(drops.c.partition)
    )
    async with sql.connect() as connection:
        units = {int(partition): int(left) for partition, left in await connection.execute(query)}
    needs = [
        await _need_of(shard.redis, sum(units.get(number, 0) for number in shard.partitions))
        for shard in await shards_of(redis, keyspace)
    ]
    return min(needs, key=lambda need: need.free - need.needed if need.most else math.inf)


async def _need_of(redis: Redis, units: int) -> MemoryNeed:
    info = await redis.info("memory")
    most = int(info["maxmemory"]) or int(info.get("total_system_memory", 0))
    return MemoryNeed(
        units=units,
        needed=units * BYTES_PER_RESERVATION,
        free=most - int(info["used_memory"]),
        most=most,
        is_limit_set=bool(int(info["maxmemory"])),
    )


async def memory(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> Finding:
    """Whether Redis has room for a reservation of every unit on offer."""
    try:
        need = await memory_need(redis, sql, keyspace)
    except RedisError as error:
        return note("memory", f"Redis does not say: {error}", "Allow INFO to this user.")
    named = "maxmemory" if need.is_limit_set else "its machine"
    text = (
        f"{need.units:,} units on offer need {need.needed / MEBIBYTE:,.0f} MiB in Redis, "
        f"{need.free / MEBIBYTE:,.0f} MiB are free of {named}"
    )
    if need.is_ample:
        return good("memory", text)
    cure = "Raise maxmemory, or archive old drops: a full Redis refuses writes, and the sale stops."
    if need.is_enough:
        return note("memory", f"{text}: little is left for the rest", cure)
    return problem("memory", text, cure)


def why_no_writes(info: Mapping[str, Any]) -> str:
    """Why Redis refuses writes, or an empty text; by its INFO of `memory` and `persistence`."""
    most = int(info.get("maxmemory", 0))
    # Buffers of replicas and of the AOF do not count towards maxmemory.
    used = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    if most and used > most:
        return (
            f"Redis is full and refuses writes: {used / MEBIBYTE:,.1f} MiB are used, maxmemory is "
            f"{most / MEBIBYTE:,.1f} MiB"
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return "Redis refuses writes: its last write to the AOF failed"
    return ""


def exposure(settings: Settings) -> list[Finding]:
    """Checks outside dev that connections of clients and stores are encrypted."""
    if settings.env == "dev":
        return []
    found = []
    for topic, url, option in (
        ("redis tls", settings.redis.url, "rediss://, sentinels:// or clusters://"),
        ("sql tls", settings.sql.url, "?ssl_ca=/path/ca.pem, or ?ssl=true"),
    ):
        if not _is_private(url):
            host = ", ".join(hosts_of(url)) if "redis" in topic else urlsplit(url).hostname
            text = (
                f"the connection to {host} is not encrypted: others can read passwords and orders"
            )
            cure = f"Use TLS: {option}. Or a private network."
            found.append(note(topic, text, cure))
    if not _is_loopback(settings.http.host) and settings.http.trusted_proxies == _DEFAULT_PROXIES:
        host = settings.http.host
        text = f"listens on {host} for plain HTTP, and trusts no proxy but this machine's"
        cure = (
            "Put a proxy with TLS in front and name it in LIVESALE__HTTP__TRUSTED_PROXIES: "
            "otherwise tokens are not encrypted, or all buyers count as one address."
        )
        found.append(note("way in", text, cure))
    if not found:
        found.append(good("way in", "all traffic beyond this machine is encrypted"))
    return found


_DEFAULT_PROXIES = ["127.0.0.0/8", "::1/128"]


def _is_private(url: str) -> bool:
    if url == "embedded" or url.startswith(
        ("unix:", "sqlite", "rediss:", SENTINEL_TLS, CLUSTER_TLS)
    ):
        return all(each.startswith(SENTINEL_TLS) for each in groups_of(url)[1:])
    if has_failover(url):
        return all(_is_loopback(host) for host in hosts_of(url))
    parts = urlsplit(url)
    if "unix_socket=" in parts.query or "ssl" in parts.query:  # no option turns TLS off
        return True
    return _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
