"""Asks the gateway about an announced order, and settles it as paid or closed."""

import structlog

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.payments import prepays
from livesale.payments.errors import GatewayRefused
from livesale.payments.gateway import PayGateway, Trade, TradeState
from livesale.payments.intake import Intake
from livesale.resources import Deployment

log = structlog.get_logger(__name__)


class Settler:
    """Concurrent calls are safe: the gateway, `confirm` and SQL each take effect once."""

    def __init__(self, deployment: Deployment, gateway: PayGateway) -> None:
        self._sql = deployment.sql
        self._gateway = gateway
        self._intake = Intake(deployment)

    async def settle(self, order_id: str) -> TradeState:
        """PAID: the payment was accepted. CLOSED: the order can no longer be paid.

        Raises GatewayFault without a clear answer, and what `Intake.take` raises.
        """
        trade = await self._gateway.query(order_id)
        if trade.state is TradeState.UNPAID:
            trade = await self._close(order_id)
        if trade.payment is not None:
            log.warning("found a payment whose callback was lost", order_id=order_id)
            await self._intake.take(trade.payment)
            return TradeState.PAID
        async with session(self._sql, write=True) as connection:
            await prepays.end_prepay(connection, order_id, prepays.CLOSED, now_ms())
        return TradeState.CLOSED

    async def _close(self, order_id: str) -> Trade:
        try:
            await self._gateway.close(order_id)
        except GatewayRefused:
            trade = await self._gateway.query(order_id)  # perhaps paid between the two calls
            if trade.state is TradeState.UNPAID:
                raise
            return trade
        return Trade(TradeState.CLOSED)
