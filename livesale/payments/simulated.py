"""A gateway for development and load tests: the caller is the bank.

`POST /v1/payments/simulated/{reservation_id}` pays and reports in one step, so a later query always
gets "unpaid". It stores only which order a transaction paid for: a bank never gives two payments
the same id. It refuses to send back what was paid by a transaction whose id begins with `frozen-`,
so that failed refunds can be seen. If it is asked again later, they are settled.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from livesale.payments.errors import GatewayUnavailable
from livesale.payments.gateway import (
    Invitation,
    PaymentOrder,
    RefundAnswer,
    RefundOrder,
    RefundState,
    Trade,
    TradeState,
)
from livesale.tokens.apps import App

LINK = "/v1/payments/simulated/{order_id}"
TRANSACTION_KEY = "ls:{{p00}}:simulated:{transaction_id}"  # a Redis string: the order it paid for
FROZEN = "frozen-"  # prefix of the ids whose refunds fail
_OWN = "simulated-"  # prefix of the ids that this bank generates


class SimulatedGateway:
    """A `livesale.payments.gateway.PayGateway` without money."""

    name: ClassVar[str] = "simulated"
    logins: None = None

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def book(self, order_id: str, transaction_id: str | None) -> str | None:
        """The id of a payment for an order; None if `transaction_id` paid for another order.

        Raises GatewayUnavailable.
        """
        own = f"{_OWN}{order_id}"
        if transaction_id is None or transaction_id == own:
            return own
        if transaction_id.startswith(_OWN):
            return None
        try:
            key = TRANSACTION_KEY.format(transaction_id=transaction_id)
            found = await self._redis.set(key, order_id, nx=True, get=True)
        except (RedisError, OSError) as error:
            raise GatewayUnavailable(str(error)) from error
        return transaction_id if found in (None, order_id) else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def prepay(self, order: PaymentOrder) -> str:
        return f"{_OWN}{order.order_id}"

    async def invite(
        self, order_id: str, prepay_id: str, app: App = App.MINI_PROGRAM
    ) -> Invitation:
        return Invitation(link=LINK.format(order_id=order_id))

    async def query(self, order_id: str) -> Trade:
        return Trade(TradeState.UNPAID)

    async def close(self, order_id: str) -> None:
        pass

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        if order.payment_id.startswith(FROZEN):
            return RefundAnswer(RefundState.FAILED, detail="The payer's account is frozen.")
        return RefundAnswer(RefundState.REFUNDED, f"{_OWN}{order.refund_no}")

    async def query_refund(self, refund_no: str) -> RefundAnswer | None:
        return RefundAnswer(RefundState.REFUNDED, f"{_OWN}{refund_no}")
