"""The keeper: ends holds at their deadline and closes drops on time, by Redis's clock.

It also archives finished drops, finds payments whose callback was lost, closes orders at the
gateway that must no longer be paid, and sends refunds.
"""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from livesale.action_log.forgetting import FORGET_EVERY_S, forget_actions
from livesale.deployment.scripts import ScriptLoader
from livesale.ledger import sign_of_life
from livesale.ledger.tail import FEW
from livesale.payments.collector import AT_ONCE, Collector
from livesale.payments.gateway import PayGateway
from livesale.payments.open_prepays import PrepaySettler
from livesale.payments.refund_sender import RefundSender
from livesale.resources import Deployment
from livesale.sales.archive import ARCHIVE_EVERY_S, Archiver, partitions_to_archive
from livesale.sales.expiry import Sweeper, Swept
from livesale.tasks import Tasks
from livesale.telemetry.workers import KeeperMetrics
from stock.errors import FencedOff

WATCH_S = 30.0  # between two looks at Redis's clock where nothing is due
MONEY_IDLE_S = 1.0
MONEY_BUSY_S = 0.05

_log = structlog.get_logger(__name__)


class Keeper:
    """Sweeps the partitions of its share. Any number of keepers may run: the scripts decide."""

    def __init__(
        self,
        deployment: Deployment,
        registry: CollectorRegistry | None = None,
        gateway: PayGateway | None = None,
    ) -> None:
        """Without a `gateway`, holds expire without a query, and no refund is sent."""
        self._deployment = deployment
        self._share = deployment.partitions_here()
        self._gateway = gateway
        self._sweep_s = deployment.settings.keeper.sweep_ms / 1000
        # The end of a hold of the shortest kind is still seen in time.
        longest_s = min(1.0, deployment.settings.stock.min_hold_ms / 1000)
        self._quiet_s = longest_s if deployment.keyspace.partitions > FEW else self._sweep_s
        self._metrics = KeeperMetrics(registry or CollectorRegistry())
        self._failing: dict[int, str] = {}
        self._swept_s: dict[int, float] = {}  # when each partition was swept last
        self._looked_s: dict[int, float] = {}  # when a sweep looked at the clock last
        self._archivers: dict[int, Archiver] = {}
        self._shown: list[str] = []  # keys of the sign of life
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop`. Retries a closed partition until it opens."""
        _log.info("the keeper starts", partitions=self._deployment.keyspace.partitions)
        over = asyncio.Event()
        async with AsyncExitStack() as parts:
            if self._gateway is not None:
                await parts.enter_async_context(self._gateway.running())
                money = await parts.enter_async_context(Tasks(over))
                settler = PrepaySettler(self._deployment, self._gateway, self._metrics)
                sender = RefundSender(self._deployment, self._gateway, self._metrics)
                money.repeat("prepays", partial(self._settle_money, settler))
                money.repeat("refunds", partial(self._settle_money, sender))
            async with Tasks(stop) as sweeps:
                sweeps.repeat("keeper: sign of life", self._show_life)
                # Separate from the sweeps: without SQL, holds still end, and drops stay in Redis.
                sweeps.repeat(
                    "archive",
                    self._archive,
                    after_s=ARCHIVE_EVERY_S,
                    first_s=ARCHIVE_EVERY_S,
                    longest_s=ARCHIVE_EVERY_S,
                )
                sweeps.repeat("forget actions", self._forget, after_s=FORGET_EVERY_S)
                if self._deployment.settings.redis.loader_url:
                    loader = ScriptLoader(self._deployment.settings, self._deployment.redis)
                    sweeps.repeat("scripts", partial(_load, loader, self._sweep_s))
                await self._share.each(stop, self._keep)
            over.set()
        with suppress(RedisError, OSError):  # it vanishes by itself
            await sign_of_life.take_back(self._deployment.redis, self._shown)
        _log.info("the keeper has stopped")

    @property
    def healthy(self) -> bool:
        """Whether the last sweep of every partition worked."""
        return not self._failing

    def faults(self) -> dict[int, str]:
        """The last fault of each partition whose last sweep failed."""
        return dict(self._failing)

    async def _keep(self, partition: int, gone: asyncio.Event) -> None:
        """Sweep and archive one partition until it is gone from here."""
        payments = None
        if self._gateway is not None:
            payments = Collector(self._deployment, self._gateway, self._metrics, self._at_once)
        sweeper = Sweeper(self._deployment.engine, partition, payments)
        self._archivers[partition] = Archiver(self._deployment, partition)
        try:
            async with Tasks(gone) as tasks:
                sweep = partial(self._sweep, partition, sweeper)
                tasks.repeat("sweep", sweep, about=f"p{partition:02d}")
        finally:
            if payments is not None:
                await payments.close()
            del self._archivers[partition]
            self._failing.pop(partition, None)
            self._swept_s.pop(partition, None)
            self._looked_s.pop(partition, None)
            if partition not in self._share.held:  # another keeper's now
                self._show_no_more(partition)

    def _show_no_more(self, partition: int) -> None:
        for gauge in (self._metrics.up, self._metrics.late_ms, self._metrics.passed_by):
            with suppress(KeyError):
                gauge.remove(partition)

    async def _sweep(self, partition: int, sweeper: Sweeper) -> float:
        """Sweep once; seconds until the next. Notes and re-raises the sweep's faults."""
        started_s = time.perf_counter()
        try:
            if partition in self._deployment.closed:
                raise FencedOff(f"partition p{partition:02d}")
            is_due = await self._measure(partition, sweeper.passed_by)
            # A quiet one is swept at times, too: its clock is watched.
            watched_s = self._looked_s.get(partition, -WATCH_S)
            done = Swept()
            if is_due or sweeper.passed_by or time.monotonic() - watched_s > WATCH_S:
                done = await sweeper.sweep()
                self._looked_s[partition] = time.monotonic()
        except FencedOff as fence:
            reason = self._deployment.closed.get(partition) or f"fenced off: {fence}"
            if self._failing.get(partition) != reason:
                _log.critical("a partition is not swept", partition=partition, reason=reason)
            self._fail(partition, reason)
            raise
        except Exception as fault:
            self._fail(partition, f"{type(fault).__name__}: {fault}")
            raise
        self._failing.pop(partition, None)
        self._swept_s[partition] = time.monotonic()
        self._metrics.up.labels(partition).set(1)
        self._metrics.expired.inc(done.expired)
        self._metrics.closed.inc(done.closed)
        self._metrics.passed_by.labels(partition).set(sweeper.passed_by)
        self._metrics.sweep_s.observe(time.perf_counter() - started_s)
        return self._sweep_s if is_due else max(self._sweep_s, self._quiet_s)

    async def _show_life(self) -> float:
        """Renew the sign of life; seconds until the next time. Raises RedisError or OSError."""
        lately_s = time.monotonic() - sign_of_life.TURNS_S
        keyspace = self._deployment.keyspace
        self._shown = [
            keyspace.keeper(number) for number, at_s in self._swept_s.items() if at_s > lately_s
        ]
        if self._shown:
            await sign_of_life.show(self._deployment.redis, self._shown)
        return sign_of_life.EVERY_S

    async def _archive(self) -> float:
        """Archive in each partition where there is something; a fault of one delays no other."""
        faults: list[Exception] = []
        for partition in sorted(await partitions_to_archive(self._deployment)):
            archiver = self._archivers.get(partition)  # else it is another keeper's
            try:
                if archiver is not None:
                    self._metrics.archived.inc(await archiver.archive())
            except Exception as fault:
                faults.append(fault)
        if faults:
            raise faults[0]
        return ARCHIVE_EVERY_S

    async def _forget(self) -> float:
        await forget_actions(self._deployment)
        return FORGET_EVERY_S

    async def _settle_money(self, worker: "PrepaySettler | RefundSender") -> float:
        """One step; after a full page, the next follows at once."""
        try:
            more = await worker.step() > 0
        except Exception:
            self._metrics.faults.inc()
            raise
        return MONEY_BUSY_S if more else MONEY_IDLE_S

    async def _measure(self, partition: int, passed_by: int) -> bool:
        """Show for how long the oldest member that a sweep can handle has been due.

        Returns whether it is due before the next look at a quiet partition. What is added until
        then is not: the shortest hold lasts for longer.
        """
        redis, engine = self._deployment.redis, self._deployment.engine
        key = self._deployment.keyspace.due(partition)
        oldest = await redis.zrange(key, passed_by, passed_by, withscores=True)
        late_ms = await engine.now_ms(partition) - int(oldest[0][1]) if oldest else 0
        self._metrics.late_ms.labels(partition).set(max(0, late_ms))
        return bool(oldest) and late_ms > -self._quiet_s * 1000

    def _fail(self, partition: int, reason: str) -> None:
        self._failing[partition] = reason
        self._metrics.faults.inc()
        self._metrics.up.labels(partition).set(0)


async def _load(loader: ScriptLoader, every_s: float) -> float:
    await loader.load()
    return every_s
