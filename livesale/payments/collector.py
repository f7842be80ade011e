"""Asks the gateway whether a hold with an open prepay is paid, before it expires.

A callback may have been lost. The sweep never waits: a due hold with an open prepay stays held
while a task asks, at most `grace_ms`; all others expire at once. Without SQL we do not know which
holds have a prepay: then all expire on time, and a late payment gets the units if they are still
available, else a refund.
"""

import asyncio
from collections.abc import Sequence

import structlog
from msgspec import Struct

from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.payments import prepays
from livesale.payments.errors import PaymentFault
from livesale.payments.gateway import PayGateway
from livesale.payments.settle import Settler
from livesale.resources import Deployment
from livesale.tasks import errand
from livesale.telemetry.workers import KeeperMetrics
from stock.errors import StockError

PAGE = 500  # rids in one SQL query
SQL_S = 0.5  # a slow SQL must not delay the end of holds
SQL_REST_MS = 5_000  # pause after a fault of SQL
MAX_CASES = 5_000
AT_ONCE = 16  # concurrent queries to the gateway, of one keeper
RETRY_S = 0.5

log = structlog.get_logger(__name__)


class _Case(Struct):
    """A hold that stays held until its task has an answer, or until `until_ms`."""

    task: "asyncio.Task[None]"
    until_ms: int


class Collector:
    """One per sweeper; all of a keeper share `at_once`."""

    def __init__(
        self,
        deployment: Deployment,
        gateway: PayGateway,
        metrics: KeeperMetrics,
        at_once: asyncio.Semaphore,
    ) -> None:
        self._sql = deployment.sql
        self._grace_ms = deployment.settings.payments.grace_ms
        self._settler = Settler(deployment, gateway)
        self._metrics = metrics
        self._at_once = at_once
        self._cases: dict[str, _Case] = {}
        self._rest_until_ms = 0

    async def hold_back(self, rids: Sequence[str], now_ms: int) -> set[str]:
        """Which of these due holds must not expire yet. `now_ms` is a monotonic clock."""
        self._forget(set(rids))
        for order_id in await self._find_open([r for r in rids if r not in self._cases], now_ms):
            task = errand("settle", self._ask(order_id), about=order_id)
            self._cases[order_id] = _Case(task, now_ms + self._grace_ms)
        return {rid for rid in rids if self._is_pending(rid, now_ms)}

    async def close(self) -> None:
        """Cancel all tasks."""
        cases, self._cases = list(self._cases.values()), {}
        for case in cases:
            case.task.cancel()
        if cases:
            await asyncio.wait([case.task for case in cases])

    def _forget(self, due: set[str]) -> None:
        """Forget holds with a finished task that are no longer due, because they are paid."""
        for rid in [rid for rid, case in self._cases.items() if case.task.done()]:
            if rid not in due:
                del self._cases[rid]

    async def _find_open(self, rids: Sequence[str], now_ms: int) -> list[str]:
        found: list[str] = []
        if now_ms < self._rest_until_ms:
            return found
        try:
            for start in range(0, len(rids), PAGE):
                async with asyncio.timeout(SQL_S), session(self._sql) as connection:
                    page = rids[start : start + PAGE]
                    found += await prepays.open_among(connection, page)
        except (StoreUnavailable, TimeoutError) as fault:
            self._rest_until_ms = now_ms + SQL_REST_MS
            log.warning("SQL is away: holds expire without asking the gateway", reason=str(fault))
        return found[: MAX_CASES - len(self._cases)]

    def _is_pending(self, rid: str, now_ms: int) -> bool:
        case = self._cases.get(rid)
        if case is None:
            return False
        if not case.task.done() and now_ms < case.until_ms:
            return True
        if not case.task.done():
            case.task.cancel()
            self._metrics.unsettled.inc()
            log.warning("the gateway did not say whether a hold is paid: it expires", order_id=rid)
        del self._cases[rid]
        return False

    async def _ask(self, order_id: str) -> None:
        """Ask until the gateway gives a result; the caller may cancel."""
        while True:
            async with self._at_once:
                try:
                    await self._settler.settle(order_id)
                    return
                # Any other exception is a bug; it must not keep the hold alive.
                except (PaymentFault, StockError, StoreUnavailable) as fault:
                    log.info("not settled yet", order_id=order_id, reason=str(fault))
            await asyncio.sleep(RETRY_S)
