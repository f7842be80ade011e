"""Checks everything that a sale depends on, and explains the findings.

The checks of a process's start are here; the additional ones for a sale are in
livesale.operations.readiness.
"""

import platform
import re
import resource
import shutil
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.engine import sqlite_file
from livesale.database.schema import migrate, progress
from livesale.deployment.embedded import find_server
from livesale.deployment.embedded_cluster import adapt
from livesale.deployment.exposure import check_exposure
from livesale.deployment.opening import open_redis, open_sql
from livesale.deployment.partitions import check_partitions
from livesale.deployment.startup import (
    check_durability,
    check_eviction,
    check_server,
    check_sql,
    find_shards,
)
from livesale.errors import Refused
from livesale.folders.data import CURE, blank, is_blank
from livesale.folders.private import database_files, real_path, too_open
from livesale.ledger.tables import log_offsets
from livesale.ledger.writable import find_refusal
from livesale.operations import needs, readiness
from livesale.operations.finding import Finding, Verdict, note, problem
from livesale.operations.finding import good as _good
from livesale.operations.finding import refused as _problem
from livesale.settings import Settings
from livesale.settings.checks import hide_password
from stock.hosts import in_cluster
from stock.keyspace import Keyspace
from stock.topology.router import Shard
from stock.topology.slots import slot_of

__all__ = ["Finding", "Verdict", "examine"]

PACKAGES = ("aiohttp", "redis", "hiredis", "sqlalchemy", "aiomysql", "msgspec", "uvloop")
LARGEST_SKEW_MS = 1_000  # harmless for tokens and countdowns; more means an unsynchronized clock
LEAST_FREE_BYTES = 1 << 30
LEAST_QUEUE = 16_384
LEAST_FILES = 4_096


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Yields every finding. Starts the embedded stores if the settings use them.

    If they were never started before, it tries them in a temporary folder and removes it.
    """
    for finding in (
        _versions(),
        _python(),
        _environment(settings),
        _files(),
        _queue(),
        _disk(settings.data_dir),
    ):
        yield finding
    for finding in (*readiness.exposure(settings), *_dev_exposure(settings)):
        yield finding
    for finding in _privacy(settings):
        yield finding
    keyspace = Keyspace(settings.stock.partitions)
    async with AsyncExitStack() as stack:
        if is_blank(settings):
            text = f"{blank(settings)}: the checks below used a temporary folder"
            yield Finding("data", Verdict.NOTE, text, CURE)
            trial = TemporaryDirectory(prefix="livesale-doctor-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(trial))
            settings = settings.model_copy(update={"data_dir": folder})
        redis: Redis | None = None
        try:
            settings = adapt(settings)
            client, url = await stack.enter_async_context(open_redis(settings, role="doctor"))
            shards = await find_shards(client, keyspace)
            names = [await check_server(shard.redis) for shard in shards]
        except Refused as refusal:
            yield _problem("redis", refusal)
        else:
            redis = client
            found = ", ".join(dict.fromkeys(names))
            count = "" if len(shards) == 1 else f" on {len(shards)} primaries"
            yield _good("redis", f"{found}{count}, {_place(settings.redis.url)}")
            if len(shards) > 1:
                yield spread(shards, keyspace)
            for shard in shards:
                async for finding in _redis_findings(shard.redis, settings, in_cluster(url)):
                    where = f"{shard.name}: " * bool(shard.name)
                    yield replace(finding, text=f"{where}{finding.text}")
        try:
            sql = await stack.enter_async_context(open_sql(settings))
            name = await check_sql(sql, settings.redis.durability)
        except Refused as refusal:
            yield _problem("sql", refusal)
            return
        yield _good("sql", f"{name}, {_place(settings.sql.url)}, every commit on disk")
        yield await needs.sql_connections(settings, sql)
        tables = await _tables(settings, sql)
        yield tables
        if tables.verdict is not Verdict.GOOD:
            return
        yield await _writing(sql)
        for finding in await readiness.leftovers(sql):
            yield finding
        if redis is not None:
            yield await _partitions(settings, redis, sql)
            yield await readiness.lag(redis, sql, settings)
            yield await readiness.log_versions(redis, sql, settings)
            yield await readiness.memory(redis, sql, keyspace)


async def _redis_findings(
    redis: Redis, settings: Settings, in_cluster: bool
) -> AsyncIterator[Finding]:
    asked = settings.redis.durability
    yield await _try("eviction", lambda: check_eviction(redis), "never deletes stock")
    if asked == "none":
        text = "off: a crash loses acknowledged reservations"
        yield note("durability", text, "Set LIVESALE__REDIS__DURABILITY to fsync.")
    else:
        text = "every answer is on disk before it is sent"
        yield await _try("durability", lambda: check_durability(redis, asked), text)
        yield await readiness.rewrites(redis)
    if in_cluster:
        yield await readiness.coverage(redis)
    yield await _clock(redis)
    yield await readiness.rights(redis, settings)
    yield await needs.redis_connections(settings, redis)


def spread(shards: Sequence[Shard], keyspace: Keyspace) -> Finding:
    """Whether every primary has about as many partitions as the others."""
    counts = [len(shard.partitions) for shard in shards]
    text = ", ".join(f"{shard.name} has {len(shard.partitions)}" for shard in shards)
    text = f"of {keyspace.partitions} partitions {text}"
    if max(counts) - min(counts) <= 1:
        return _good("spread", text)
    text += ": some carry more of a sale than others"
    moves = [
        f"slot {slot_of(keyspace.epoch(partition))} (p{partition:02d}) to {name}"
        for partition, name in moves_for(shards)
    ]
    return note("spread", text, f"Move {', '.join(moves)}: docs/cluster.md says how.")


def moves_for(shards: Sequence[Shard]) -> list[tuple[int, str]]:
    """The fewest partitions that must move until all primaries have as many, but for one, and
    where to."""
    has = {shard.name: list(shard.partitions) for shard in shards}
    moves: list[tuple[int, str]] = []
    while True:
        names = sorted(has, key=lambda name: len(has[name]))
        least, most = names[0], names[-1]
        if len(has[most]) - len(has[least]) <= 1:
            return moves
        partition = has[most].pop()
        has[least].append(partition)
        moves.append((partition, least))


async def clock_skew(redis: Redis) -> tuple[float, float]:
    """How far Redis's clock is ahead of this one, and how exactly that is known; in ms."""
    before = time.time()
    seconds, micros = await redis.time()
    after = time.time()
    trip_ms = (after - before) * 1000
    return (int(seconds) + int(micros) / 1e6 - (before + after) / 2) * 1000, trip_ms


async def _clock(redis: Redis) -> Finding:
    skew_ms, trip_ms = await clock_skew(redis)
    text = f"{skew_ms:+.0f} ms against Redis, a round trip takes {trip_ms:.1f} ms"
    if abs(skew_ms) - trip_ms <= LARGEST_SKEW_MS:
        return _good("clock", text)
    return problem("clock", text, "Let NTP set the clocks of both machines.")


async def _tables(settings: Settings, sql: AsyncEngine) -> Finding:
    if settings.sql.url == "embedded":
        return _good("tables", f"at revision {await migrate(sql)}")
    found = await progress(sql)
    if found.is_head:
        return _good("tables", f"at revision {found.revision}")
    return problem("tables", *found.explain())


async def _writing(sql: AsyncEngine) -> Finding:
    refusal = await find_refusal(sql)
    if not refusal:
        return _good("writing", "the database accepts writes")
    cure = "Use the primary's URL, or allow writes: read_only, the user's rights, the file's mode."
    return problem("writing", f"the database answers, but refuses writes: {refusal}", cure)


async def _partitions(settings: Settings, redis: Redis, sql: AsyncEngine) -> Finding:
    async with sql.connect() as connection:
        rows = await connection.scalar(select(func.count()).select_from(log_offsets))
    if not rows:
        return _good("partitions", f"a new deployment of {settings.stock.partitions}")
    try:
        epochs = await check_partitions(redis, sql, Keyspace(settings.stock.partitions))
    except Refused as refusal:
        return _problem("partitions", refusal)
    found = ", ".join(f"p{number:02d} epoch {epoch}" for number, epoch in epochs.items())
    return _good("partitions", f"Redis and SQL match: {found}")


async def _try(topic: str, check: Callable[[], Awaitable[None]], text: str) -> Finding:
    try:
        await check()
    except Refused as refusal:
        return _problem(topic, refusal)
    return _good(topic, text)


def _versions() -> Finding:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = platform.python_version()
    return _good("versions", f"livesale {version('livesale')}, Python {python}\n{packages}")


def _python() -> Finding:
    """How the interpreter was built: a fixed loop took 254 ms without profiles, 176 with them."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    if not options:
        return _good("python", "this Python does not say how it was built")
    if "--enable-optimizations" in options:
        lto = " and across files (LTO)" if "--with-lto" in options else ""
        return _good("python", f"this Python was optimized with profiles (PGO){lto}")
    text = "built without --enable-optimizations: the same code takes up to 40 % longer"
    return note("python", text, "Use the Python of Debian or of uv, or build it with PGO and LTO.")


def _environment(settings: Settings) -> Finding:
    text = f"env {settings.env}, data in {settings.data_dir.resolve()}"
    if settings.redis.url == "embedded":
        try:
            program = find_server()
        except Refused as refusal:
            return _problem("settings", refusal)
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
        text += f", embedded {_server_in(said.stdout)}"
    if settings.env == "dev":
        cure = "Set LIVESALE__ENV to prod if strangers can reach it."
        return note("settings", f"{text}; the secret is public", cure)
    return _good("settings", text)


def _server_in(said: str) -> str:
    """`Valkey server v=9.1.2 sha=…` in short."""
    found = re.match(r"(\w+) server v=(\S+)", said)
    return f"{found[1]} {found[2]}" if found else "server of an unknown version"


def _files() -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{limit} open files for each process"
    if limit >= LEAST_FILES:
        return _good("files", text)
    cure = f"Run `ulimit -n {LEAST_FILES}` or more: each buyer's connection is one."
    return note("files", text, cure)


def _queue() -> Finding:
    """The length of the kernel's queue of new connections: a crowd connects within a second."""
    try:
        places = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):  # not Linux, or a sandbox
        return _good("queue", "the kernel does not say how many new connections it queues")
    text = f"the kernel queues {places} new connections for each worker"
    if places >= LEAST_QUEUE:
        return _good("queue", text)
    cure = "Run `sysctl -w net.core.somaxconn=65535`: a client that finds the queue full waits "
    return note("queue", text, f"{cure}1 s or 3 s.")


def _dev_exposure(settings: Settings) -> list[Finding]:
    """What dev allows other machines to do."""
    try:
        found = check_exposure(settings)
    except Refused as refusal:
        return [_problem("way in", refusal)]
    cure = "Set LIVESALE__ENV to prod, or listen on 127.0.0.1."
    return [note("way in", f"other machines reach this: {each}", cure) for each in found]


def _privacy(settings: Settings) -> list[Finding]:
    """Whether other users of this machine can reach the files; call it before opening them."""
    folder = real_path(settings.data_dir)
    looked_at = [folder] if folder.exists() else []
    database = sqlite_file(settings.sql.url, folder)
    if database is not None and database.exists():
        looked_at += database_files(database)
    found = too_open(looked_at)
    if not looked_at or not found:
        return [_good("privacy", f"{each}: private") for each in looked_at[:1]]
    names = ", ".join(str(path) for path in found)
    cure = "Start livesale: it corrects its own files. Otherwise chmod it to 0700, files to 0600."
    return [note("privacy", f"other users of this machine can read {names}", cure)]


def _disk(data_dir: Path) -> Finding:
    folder = data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):.1f} GiB free under {folder}"
    if free >= LEAST_FREE_BYTES:
        return _good("disk", text)
    return note("disk", text, "Make room: a full disk stops the sale.")


def _place(url: str) -> str:
    return url if url == "embedded" else f"at {hide_password(url)}"
