"""The port for payment gateways. `SimulatedGateway` and `WeChatPay` implement it.

Every call may be repeated: the key of an order is its id (the rid), the key of a refund its own
number, and a gateway does each of them once. All methods may raise the faults of
`livesale.payments.errors`: GatewayRefused, GatewayUnavailable, GatewayUnknown.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import ClassVar, Protocol

from msgspec import UNSET, Struct, UnsetType

from livesale.tokens.apps import App


class PaymentOrder(Struct, frozen=True):
    """The amount to pay, the deadline and the payer: the gateway's id of the buyer in `app`."""

    order_id: str
    amount_fen: int
    expires_ms: int
    description: str
    payer: str = ""
    app: App = App.MINI_PROGRAM

    def __repr__(self) -> str:
        return f"PaymentOrder({self.order_id!r}, {self.amount_fen})"


class Payment(Struct, frozen=True):
    """A payment that a gateway received. `buyer_id` is the buyer whom the login of the payer makes:
    empty if the gateway does not name it, and another one's if that login was joined to a buyer."""

    order_id: str
    payment_id: str  # the gateway's transaction
    amount_fen: int
    buyer_id: str = ""


class TradeState(StrEnum):
    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"  # can no longer be paid: closed, unknown to the gateway, or refunded


class Trade(Struct, frozen=True):
    """The state of an order at the gateway. `payment` is set if it is paid."""

    state: TradeState
    payment: Payment | None = None


class RequestPayment(
    Struct,
    frozen=True,
    rename={
        "timestamp": "timeStamp",
        "nonce": "nonceStr",
        "sign_type": "signType",
        "pay_sign": "paySign",
        "app_id": "appId",
    },
):
    """The five fields of wx.requestPayment, unchanged; for a page in WeChat's browser
    (getBrandWCPayRequest) also `appId`."""

    timestamp: str
    nonce: str
    package: str
    sign_type: str
    pay_sign: str
    app_id: str | UnsetType = UNSET


class Invitation(Struct, frozen=True):
    """For the client: a link, or the fields of WeChat's payment."""

    link: str | None = None
    request_payment: RequestPayment | None = None


class RefundOrder(Struct, frozen=True):
    """A refund of a payment or of a part of it, with its own number. `paid_fen` was paid."""

    refund_no: str
    payment_id: str
    order_id: str
    amount_fen: int
    paid_fen: int


class RefundState(StrEnum):
    ACCEPTED = "accepted"  # the gateway has accepted it
    REFUNDED = "refunded"  # the buyer has the money
    FAILED = "failed"  # final at the gateway: a person must act there


class RefundAnswer(Struct, frozen=True):
    """The gateway's state of a refund. `gateway_no` is the gateway's number."""

    state: RefundState
    gateway_no: str = ""
    detail: str = ""


class RefundNews(Struct, frozen=True):
    """The content of a refund callback, to compare with the refund's row."""

    refund_no: str
    payment_id: str
    order_id: str
    amount_fen: int
    paid_fen: int
    answer: RefundAnswer


class PayGateway(Protocol):
    """`name` is its name in the settings and in SQL; `logins` are those that it requires, by the
    app that they belong to: provider, and the app's id. None: it takes anybody's money."""

    name: ClassVar[str]

    @property
    def logins(self) -> Mapping[App, tuple[str, str]] | None: ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Opens what it needs, such as connections and threads."""
        ...

    async def prepay(self, order: PaymentOrder) -> str:
        """Announce an order; returns its prepay id. A repeat gets the same one."""
        ...

    async def invite(
        self, order_id: str, prepay_id: str, app: App = App.MINI_PROGRAM
    ) -> Invitation:
        """For the client: how to pay an order that was announced in this app."""
        ...

    async def query(self, order_id: str) -> Trade:
        """The state of an order."""
        ...

    async def close(self, order_id: str) -> None:
        """Close an order, so that it can no longer be paid. Refused if it is paid."""
        ...

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        """Send a refund; the gateway pays it once per number."""
        ...

    async def query_refund(self, refund_no: str) -> RefundAnswer | None:
        """The state of a refund; None if the gateway does not know it."""
        ...
