"""Settles prepays that are still open after their hold ended, even after long gateway outages.

The sweep asks only for a short time; this asks until there is an answer. It also handles holds that
the sweep did not check: released ones, and those that expired while SQL was unavailable or just
before their prepay was stored. So no order stays payable for ever, and no payment stays unknown.
"""

import asyncio

import structlog

from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.payments import prepays
from livesale.payments.errors import PaymentFault
from livesale.payments.gateway import PayGateway
from livesale.payments.prepays import Prepay
from livesale.payments.settle import Settler
from livesale.resources import Deployment
from livesale.tasks.clock_steps import ClockWatch
from livesale.telemetry.workers import KeeperMetrics
from stock.errors import StockError

PAGE = 100
AT_ONCE = 4
FIRST_MS = 5_000
LONGEST_MS = 600_000

log = structlog.get_logger(__name__)


class PrepaySettler:
    """Any number of keepers may run it: a conditional UPDATE claims each prepay."""

    def __init__(self, deployment: Deployment, gateway: PayGateway, metrics: KeeperMetrics) -> None:
        self._sql = deployment.sql
        self._clock = ClockWatch(deployment.engine)
        self._settler = Settler(deployment, gateway)
        self._metrics = metrics

    async def step(self) -> int:
        """Settle up to a page of overdue prepays; returns how many.

        Raises StoreUnavailable or StockError.
        """
        look = await self._clock.look()
        if look.doubted:  # an order closed too early could no longer be paid
            return 0
        now_ms = look.now_ms
        async with session(self._sql) as connection:
            found = await prepays.overdue_prepays(connection, now_ms, PAGE)
        at_once = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._settle(prepay, now_ms, at_once) for prepay in found))
        return len(found)

    async def _settle(self, prepay: Prepay, now_ms: int, at_once: asyncio.Semaphore) -> None:
        next_ms = now_ms + min(LONGEST_MS, FIRST_MS * 2 ** min(prepay.tries, 16))
        async with at_once:
            try:
                async with session(self._sql, write=True) as connection:
                    if not await prepays.claim_prepay(connection, prepay, next_ms):
                        return  # another keeper has it
                state = await self._settler.settle(prepay.order_id)
            except (PaymentFault, StockError, StoreUnavailable) as fault:
                self._metrics.faults.inc()
                log.warning("not settled yet", order_id=prepay.order_id, reason=str(fault))
                return
        log.info("settled a prepay", order_id=prepay.order_id, state=state.value)
