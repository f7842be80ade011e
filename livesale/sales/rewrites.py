"""Rewrites the AOF of Redis between sales, so that no rewrite falls into one by surprise.

A rewrite forks Redis and writes all data beside the fsyncs of reservations: buyers wait longer. So
Redis begins none by itself (`auto-aof-rewrite-percentage 0`; the embedded one runs so), and the
keeper decides: when little is written and no drop opens soon, or, in a sale without end, when the
AOF has grown by the budget of the disk.
"""

import asyncio
from typing import Any

import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError
from sqlalchemy import func, select

from livesale.database.session import session
from livesale.ledger.tables import drops
from livesale.resources import Deployment
from livesale.sales.metrics import RewriteMetrics
from livesale.tasks import Tasks
from stock.model import DropState
from stock.topology.router import Shard, shards_of

MEBIBYTE = 1 << 20
LOOK_S = 5.0
DENIED_S = 600.0
WORTH_BYTES = 64 * MEBIBYTE  # a smaller AOF is read in a second at a start: not worth a rewrite
EARLY_BYTES = 16 * MEBIBYTE  # within EARLY_MS of an opening, so that a sale begins with a small one
EARLY_MS = 600_000
CLOSE_MS = 60_000  # a rewrite could last into an opening that is so near
RUSH_MS = 30_000  # from an opening on
QUIET_BYTES_PER_S = 65_536  # about 200 reservations a second; more is a sale

log = structlog.get_logger(__name__)


class Aof(Struct, frozen=True):
    """The AOF at one look; sizes in bytes."""

    at_s: float
    size: int
    base: int  # after the last rewrite
    busy: bool  # it is being rewritten, or will be

    @property
    def grown(self) -> int:
        return self.size - self.base


def why_now(aof: Aof, bytes_per_s: float, opens_in_ms: int | None, budget_bytes: int) -> str | None:
    """Why to rewrite the AOF now: `quiet`, `opening` or `budget`; None: not now.

    `opens_in_ms` is the time until the next opening, negative just after one.
    """
    if aof.grown >= max(budget_bytes, aof.base):
        return "budget"
    if opens_in_ms is not None and opens_in_ms < CLOSE_MS:
        return None
    if bytes_per_s > QUIET_BYTES_PER_S:
        return None
    if aof.grown >= max(WORTH_BYTES, aof.base):
        return "quiet"
    if opens_in_ms is not None and opens_in_ms < EARLY_MS and aof.grown >= EARLY_BYTES:
        return "opening"
    return None


class AofRewriter:
    """The keeper's job. Several keepers are harmless: Redis does one rewrite at a time."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry) -> None:
        self._deployment = deployment
        self._metrics = RewriteMetrics(registry)
        self._before: dict[str, Aof] = {}  # by the name of the server
        self._grown: dict[str, int] = {}  # bytes, at this look

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("rewrites", self.look)

    async def look(self) -> float:
        """Rewrite the AOF if this is the time; seconds until the next look.

        Of several servers, each by itself. Raises RedisError and StoreUnavailable.
        """
        parts = self._deployment
        self._grown.clear()
        waits = [
            await self._look_at(shard) for shard in await shards_of(parts.redis, parts.keyspace)
        ]
        return min(waits)

    async def _look_at(self, shard: Shard) -> float:
        redis = shard.redis
        aof, before = await self._measure(redis), self._before.get(shard.name)
        if aof is None:
            return DENIED_S
        self._before[shard.name] = aof
        self._grown[shard.name] = aof.grown
        self._metrics.grown.set(max(self._grown.values()))
        if before is None or aof.busy or aof.grown < EARLY_BYTES:
            return LOOK_S
        # After a rewrite in between the file has shrunk: that counts as a sale, and we wait.
        per_s = abs(aof.size - before.size) / max(aof.at_s - before.at_s, 0.001)
        budget_bytes = self._deployment.settings.redis.aof_budget_mib * MEBIBYTE
        why = why_now(aof, per_s, await self._opens_in_ms(), budget_bytes)
        if why is None:
            return LOOK_S
        try:
            await redis.bgrewriteaof()
        except NoPermissionError:
            log.warning("Redis does not let the keeper rewrite the AOF", cure="ACL: +bgrewriteaof")
            return DENIED_S
        except ResponseError as error:  # another keeper was first, or a snapshot is being written
            log.info("the AOF is not rewritten now", reason=str(error))
            return LOOK_S
        self._metrics.rewrites.labels(why).inc()
        log.info("rewriting the AOF", why=why, grown_mib=round(aof.grown / MEBIBYTE))
        return LOOK_S

    async def _measure(self, redis: Redis) -> Aof | None:
        """None: this Redis has no AOF, or does not say."""
        about: dict[str, Any] = await redis.info("persistence")
        if not about.get("aof_enabled") or "aof_base_size" not in about:
            return None
        return Aof(
            asyncio.get_running_loop().time(),
            int(about["aof_current_size"]),
            int(about["aof_base_size"]),
            bool(about["aof_rewrite_in_progress"] or about.get("aof_rewrite_scheduled")),
        )

    async def _opens_in_ms(self) -> int | None:
        now_ms = await self._deployment.engine.now_ms()
        query = select(func.min(drops.c.opens_ms)).where(
            drops.c.opens_ms > now_ms - RUSH_MS, drops.c.state != DropState.CLOSED
        )
        async with session(self._deployment.sql) as connection:
            opens_ms = await connection.scalar(query)
        return None if opens_ms is None else int(opens_ms) - now_ms
