"""GET /livez, GET /readyz

A worker is not ready only if it cannot sell. A fault of SQL does not make it unready: sales
continue without SQL, and a load balancer that removed every node would end them. Nor does a closed
partition while others sell, because it is closed on every node. Nor does a failing background task:
every node retries it, and `tasks` names it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.deployment.scripts import ScriptLoader
from livesale.ledger.tables import log_offsets
from livesale.ledger.writable import find_refusal
from livesale.operations.readiness import why_no_writes
from livesale.parts import Parts
from livesale.resources import Deployment
from livesale.tasks import TABLE
from livesale.tasks.ttl_cache import TtlCache
from livesale.telemetry import metrics
from livesale.telemetry.briefs import Brief
from livesale.web.draining import Draining
from livesale.web.routes import Answer, Call, Route
from stock.entries import why_too_new
from stock.ids import id_key
from stock.log import LogInfo, RawEntry, info_of, is_no_stream
from stock.topology.router import Shard, shards_of

TIMEOUT_S = 2.0
REMEMBER_S = 0.25
REMEMBER_WRITING_S = 2.0  # cache time of SQL's check
REMEMBER_BRIEFS_S = 0.5  # cache time of the briefs of all processes
BEHIND_MS = 10_000  # report a writer that is further behind than this
TOO_NEW_MS = 2_000  # report an entry of a later version that waits longer than this


class Alive(Struct, frozen=True):
    status: Literal["alive"] = "alive"


class Check(Struct, frozen=True):
    ok: bool
    detail: str = ""


class WriterLag(Struct, frozen=True):
    """The number of log entries that SQL lacks, and the age of the oldest."""

    lag_entries: int
    behind_ms: int


class Ready(Struct, frozen=True):
    """`degraded` is ready: sales continue, but a person should check."""

    status: Literal["ready", "degraded", "not_ready"]
    redis: Check
    scripts: Check
    epoch: Check
    sql: Check
    writer: Check
    drain: Check
    tasks: Check
    writer_lag: WriterLag | None


class Briefs(Struct, frozen=True):
    """What all processes on this machine count, this one first, at a time of the loop's clock."""

    at_s: float
    found: Mapping[str, Brief]


class _Stores(Struct, frozen=True):
    redis: Check
    scripts: Check
    epoch: Check
    sql: Check
    writer: Check
    writer_lag: WriterLag | None
    selling: bool


_OFFSETS = select(*(log_offsets.c[name] for name in ("partition", "offset", "entries")))
_UNASKED = Check(False, "Redis is away")


class Health:
    """The answer of readyz. It asks the stores at most every 250 ms, for any number of calls."""

    def __init__(self, deployment: Deployment, draining: Draining) -> None:
        self._deployment = deployment
        self._redis = deployment.redis
        self._draining = draining
        self._loader = ScriptLoader(deployment.settings, deployment.redis)
        self._stores = TtlCache(self._ask_stores, ttl_s=REMEMBER_S, max_found=1)
        self._writing = TtlCache(self._ask_writing, ttl_s=REMEMBER_WRITING_S, max_found=1)
        self._briefs = TtlCache(_take_briefs, ttl_s=REMEMBER_BRIEFS_S, max_found=1)

    async def ready(self) -> Ready:
        stores, briefs = await asyncio.gather(self._stores.get(""), self.briefs())
        assert stores is not None  # noqa: S101  it always returns a result
        siblings = metrics.siblings_down(briefs.found)
        down = [f"{name} ({why.partition(':')[0]})" for name, why in TABLE.down().items()]
        tasks = Check(not (down or siblings), "; ".join([*down, *siblings]))
        drain = Check(not self._draining.draining, "draining" * self._draining.draining)
        status: Literal["ready", "degraded", "not_ready"] = "ready"
        if not (stores.sql.ok and stores.writer.ok and stores.epoch.ok and tasks.ok):
            status = "degraded"
        if not (stores.redis.ok and stores.scripts.ok and stores.selling and drain.ok):
            status = "not_ready"
        return Ready(
            status,
            stores.redis,
            stores.scripts,
            stores.epoch,
            stores.sql,
            stores.writer,
            drain,
            tasks,
            stores.writer_lag,
        )

    async def briefs(self) -> Briefs:
        """The briefs of all processes here, asked for once for all who want them."""
        found = await self._briefs.get("")
        assert found is not None  # noqa: S101  it always returns a result
        return found

    async def _ask_stores(self, _key: str) -> _Stores:
        (redis, scripts, (epoch, selling)), (sql, offsets) = await asyncio.gather(
            self._check_redis(), self._check_sql()
        )
        writer, lag = Check(False, "unknown: a store is away"), None
        if redis.ok and sql.ok:
            writer, lag = await self._check_writer(offsets)
        return _Stores(redis, scripts, epoch, sql, writer, lag, selling)

    async def _check_redis(self) -> tuple[Check, Check, tuple[Check, bool]]:
        """One round trip to each server. If one of several can sell, so can we: what is wrong with
        the others is in the details."""
        keyspace = self._deployment.keyspace
        try:
            async with asyncio.timeout(TIMEOUT_S):
                shards = await shards_of(self._redis, keyspace)
        except (RedisError, OSError, TimeoutError) as error:
            return Check(False, type(error).__name__), _UNASKED, (_UNASKED, False)
        if len(shards) == 1:
            return await self._check_shard(shards[0])
        found = await asyncio.gather(*[self._check_shard(shard) for shard in shards])
        able = [all((redis.ok, scripts.ok, sells)) for redis, scripts, (_, sells) in found]
        redis, scripts = (
            Check(any(able) or all(each.ok for each in checks), _join(checks))
            for checks in ([each[0] for each in found], [each[1] for each in found])
        )
        epochs = [epoch for _, _, (epoch, _) in found]
        return (
            redis,
            scripts,
            (Check(all(able) and all(each.ok for each in epochs), _join(epochs)), any(able)),
        )

    async def _check_shard(self, shard: Shard) -> tuple[Check, Check, tuple[Check, bool]]:
        """All in one round trip. It only asks for scripts, because any caller may trigger this:
        the watchman loads them."""
        keyspace, where = self._deployment.keyspace, f"{shard.name}: " * bool(shard.name)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                shard.redis.pipeline(transaction=False) as together,
            ):
                together.info("memory", "persistence")
                together.script_exists(*self._loader.shas)
                for partition in shard.partitions:
                    together.get(keyspace.epoch(partition))
                info, known, *epochs = await together.execute()
        except (RedisError, OSError, TimeoutError) as error:
            return Check(False, f"{where}{type(error).__name__}"), _UNASKED, (_UNASKED, False)
        reason = why_no_writes(info)  # a full Redis answers but refuses to sell
        lost = "" if all(known) else "Redis lost them, and no process has loaded them again yet"
        found = dict(zip(shard.partitions, epochs, strict=True))
        return (
            Check(not reason, reason and f"{where}{reason}"),
            Check(not lost, lost and f"{where}{lost}"),
            self._check_epochs(found),
        )

    def _check_epochs(self, found: Mapping[int, str | None]) -> tuple[Check, bool]:
        """The faults of partitions, and whether any of them can sell."""
        closed, epochs = self._deployment.closed, self._deployment.epochs
        wrong = []
        for partition, epoch in found.items():
            reason = closed.get(partition)
            if reason is None and str(epoch) != str(epochs.get(partition)):
                reason = f"partition {partition} has epoch {epoch}, not {epochs.get(partition)}"
            if reason is not None:
                wrong.append(reason)
        # One fault often closes them all: report it once.
        return Check(not wrong, "; ".join(dict.fromkeys(wrong))), len(wrong) < len(found)

    async def _check_sql(self) -> tuple[Check, dict[int, tuple[str, int]]]:
        try:
            async with asyncio.timeout(TIMEOUT_S), session(self._deployment.sql) as connection:
                rows = (await connection.execute(_OFFSETS)).all()
        except (StoreUnavailable, TimeoutError) as error:
            return Check(False, f"away ({str(error) or 'no answer'}); sales continue"), {}
        writing = await self._writing.get("")
        assert writing is not None  # noqa: S101  it always returns a result
        return writing, {partition: (offset, count) for partition, offset, count in rows}

    async def _ask_writing(self, _key: str) -> Check:
        """Whether SQL accepts writes: a read-only SQL stops the writer and every order.

        After a refusal it drops the connections, so that new ones go to the primary.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                refusal = await find_refusal(self._deployment.sql)
        except (SQLAlchemyError, OSError, TimeoutError):
            return Check(True)  # it just answered a query; a slow SQL shows in the writer's lag
        return Check(not refusal, refusal and f"refuses writes ({refusal}); sales continue")

    async def _check_writer(
        self, offsets: dict[int, tuple[str, int]]
    ) -> tuple[Check, WriterLag | None]:
        entries, oldest_ms, too_new = 0, 0, ""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                now_ms, logs = await self._read_logs(offsets)
            for partition, (info, next_entries) in logs.items():
                entries += max(0, info.entries_added - offsets[partition][1])
                for entry_id, fields in next_entries:
                    waits_ms = now_ms - _written_ms(entry_id, fields)
                    oldest_ms = max(oldest_ms, waits_ms)
                    if waits_ms > TOO_NEW_MS and (why := why_too_new(entry_id, fields)):
                        too_new = too_new or f"{why} (partition {partition})"
        except (RedisError, OSError, TimeoutError) as error:
            return Check(False, type(error).__name__), None
        lag = WriterLag(entries, max(0, oldest_ms))
        if too_new:
            return Check(False, f"stopped at {too_new}; start a newer writer; sales continue"), lag
        if oldest_ms > BEHIND_MS:
            return Check(False, f"{oldest_ms // 1000} s behind the log; sales continue"), lag
        return Check(True), lag

    async def _read_logs(
        self, offsets: Mapping[int, tuple[str, int]]
    ) -> tuple[int, dict[int, tuple[LogInfo, list[RawEntry]]]]:
        """The time of Redis; each log, and its first entry after the offset."""
        keyspace = self._deployment.keyspace
        now_ms = await self._deployment.engine.now_ms()
        async with self._redis.pipeline(transaction=False) as together:
            for partition, (offset, _) in offsets.items():
                key = keyspace.log(partition)
                together.xinfo_stream(key)
                together.xrange(key, f"({offset}", "+", 1)
            found = await together.execute(raise_on_error=False)
        for fault in found:
            if isinstance(fault, Exception) and not is_no_stream(fault):
                raise fault
        pairs = zip(found[::2], found[1::2], strict=True)
        logs = {
            partition: (LogInfo() if isinstance(info, Exception) else info_of(info), entries)
            for partition, (info, entries) in zip(offsets, pairs, strict=True)
        }
        return now_ms, logs


def _join(checks: Sequence[Check]) -> str:
    return "; ".join(dict.fromkeys(check.detail for check in checks if check.detail))


async def _take_briefs(_key: str) -> Briefs:
    return Briefs(asyncio.get_running_loop().time(), await metrics.take_briefs())


def _written_ms(entry_id: str, fields: Mapping[str, str]) -> int:
    """The time of an entry. Its id is not exact: ids rise even if the clock goes back."""
    text = fields.get("t", "")
    return int(text) if text.isdecimal() else id_key(entry_id)[0]


async def show_alive(_parts: Parts, _call: Call) -> Answer:
    return Answer(200, Alive())


async def show_ready(parts: Parts, _call: Call) -> Answer:
    ready = await parts[Health].ready()
    return Answer(503 if ready.status == "not_ready" else 200, ready)


ROUTES = [
    Route(
        "GET",
        "/livez",
        show_alive,
        "Whether the event loop runs",
        "operations",
        {200: Alive},
        limited=False,
    ),
    Route(
        "GET",
        "/readyz",
        show_ready,
        "Whether this worker can sell",
        "operations",
        {200: Ready, 503: Ready},
        limited=False,
    ),
]
