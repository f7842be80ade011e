"""Lights of the machine: stores, writer, tasks, memory, clock, and the last doctor."""

from redis.exceptions import RedisError

from livesale.database.engine import now_ms
from livesale.launch.lights import Light, Name, caution, go, no_go
from livesale.ledger import sign_of_life
from livesale.operations.checks.service import Checks
from livesale.operations.checks.store import CheckReport, Kind, State
from livesale.operations.doctor import LARGEST_SKEW_MS, clock_skew
from livesale.operations.finding import Verdict
from livesale.operations.health import Health
from livesale.operations.readiness import LARGEST_LAG, MEBIBYTE, memory_need
from livesale.resources import Deployment
from stock.topology.router import shards_of

DOCTOR_OLD_MS = 1_800_000  # the doctor looks at settings and machines: half an hour is recent
SHOWN = 200  # characters of a text of somebody else


class StoreLights:
    """What every sale needs, whatever is sold."""

    def __init__(self, deployment: Deployment, health: Health, checks: Checks) -> None:
        self._deployment = deployment
        self._health = health
        self._checks = checks

    async def redis(self) -> Light:
        ready = await self._health.ready()
        for check in (ready.redis, ready.scripts, ready.drain):
            if not check.ok:
                return no_go(Name.STORES, "down", detail=check.detail[:SHOWN])
        return go(Name.STORES)

    async def partitions(self) -> Light:
        epoch = (await self._health.ready()).epoch
        if not epoch.ok:
            return no_go(Name.PARTITIONS, "closed", detail=epoch.detail[:SHOWN])
        return go(Name.PARTITIONS, count=self._deployment.keyspace.partitions)

    async def sql(self) -> Light:
        sql = (await self._health.ready()).sql
        return go(Name.SQL) if sql.ok else no_go(Name.SQL, "away", detail=sql.detail[:SHOWN])

    async def writer(self) -> Light:
        """Raises Unreachable."""
        keyspace = self._deployment.keyspace
        keys = sign_of_life.keys_of_writers(keyspace)
        missing = await sign_of_life.missing(self._deployment.redis, keys)
        if missing:
            names = ", ".join(f"p{number:02d}" for number in missing)
            is_all = len(missing) == keyspace.partitions
            return no_go(Name.WRITER, "stopped" if is_all else "stuck", partitions=names)
        ready = await self._health.ready()
        lag = ready.writer_lag
        if not ready.writer.ok or lag is None:
            return no_go(Name.WRITER, "behind", detail=ready.writer.detail[:SHOWN])
        if lag.lag_entries > LARGEST_LAG:
            return caution(Name.WRITER, "lag", lag=lag.lag_entries, behind_ms=lag.behind_ms)
        return go(Name.WRITER, lag=lag.lag_entries)

    async def keeper(self) -> Light:
        """Without it no hold ends, no drop closes, no refund is sent. Raises Unreachable."""
        keys = sign_of_life.keys_of_keepers(self._deployment.keyspace)
        missing = await sign_of_life.missing(self._deployment.redis, keys)
        if not missing:
            return go(Name.KEEPER)
        names = ", ".join(f"p{number:02d}" for number in missing)
        return no_go(
            Name.KEEPER, "stopped" if len(missing) == len(keys) else "stuck", partitions=names
        )

    async def tasks(self) -> Light:
        tasks = (await self._health.ready()).tasks
        return (
            go(Name.TASKS)
            if tasks.ok
            else caution(Name.TASKS, "failing", detail=tasks.detail[:SHOWN])
        )

    async def memory(self) -> Light:
        parts = self._deployment
        try:
            need = await memory_need(parts.redis, parts.sql, parts.keyspace)
        except RedisError:
            return caution(Name.MEMORY, "unknown")
        facts = {"needed_mib": round(need.needed / MEBIBYTE), "free_mib": need.free // MEBIBYTE}
        if need.is_ample:
            return go(Name.MEMORY, "ok", units=need.units, **facts)
        if need.is_enough:
            return caution(Name.MEMORY, "low", units=need.units, **facts)
        return no_go(Name.MEMORY, "short", units=need.units, **facts)

    async def clock(self) -> Light:
        parts = self._deployment
        skews = [
            await clock_skew(shard.redis) for shard in await shards_of(parts.redis, parts.keyspace)
        ]
        skew_ms, trip_ms = max(skews, key=lambda each: abs(each[0]) - each[1])
        is_good = abs(skew_ms) - trip_ms <= LARGEST_SKEW_MS
        made = go if is_good else no_go
        return made(Name.CLOCK, "ok" if is_good else "off", skew_ms=round(skew_ms))

    async def doctor(self) -> Light:
        """What the last doctor found, that somebody started here. Raises StoreUnavailable."""
        runs = await self._checks.list("", Kind.DOCTOR, 1)
        if not runs:
            return caution(Name.DOCTOR, "none")
        run = runs[0]
        if run.state in (State.WAITING, State.RUNNING):
            return caution(Name.DOCTOR, "running")
        if run.state is not State.DONE:
            return no_go(Name.DOCTOR, "failed", detail=run.reason[:SHOWN])
        return _of_report(await self._checks.find(run.check_id))


def _of_report(report: CheckReport) -> Light:
    def named(verdict: Verdict) -> str:
        names = [found.name for found in report.findings if found.verdict is verdict]
        return ", ".join(dict.fromkeys(names))[:SHOWN]

    age_ms = max(0, now_ms() - (report.ended_ms or report.created_ms))
    if wrong := named(Verdict.PROBLEM):
        return no_go(Name.DOCTOR, "problems", names=wrong, age_ms=age_ms)
    if age_ms > DOCTOR_OLD_MS:
        return caution(Name.DOCTOR, "old", age_ms=age_ms)
    if notes := named(Verdict.NOTE):
        return caution(Name.DOCTOR, "notes", names=notes, age_ms=age_ms)
    return go(Name.DOCTOR, age_ms=age_ms)
