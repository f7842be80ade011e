"""The port: what every payment gateway does. `SimulatedGateway` and `WeChatPay` implement it.

Every question may be asked again: orders go by the order's id (the rid), refunds by their own
number, and a gateway does each of them once. All methods may raise the faults of
`livesale.payments.errors`: GatewayRefused, GatewayUnavailable, GatewayUnknown.
"""

from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import ClassVar, Protocol

from msgspec import Struct


class PaymentOrder(Struct, frozen=True):
    """What is to be paid, until when, and by whom. `payer` is the gateway's name of the buyer."""

    order_id: str
    amount_fen: int
    expires_ms: int
    description: str
    payer: str = ""

    def __repr__(self) -> str:
        return f"PaymentOrder({self.order_id!r}, {self.amount_fen})"


class Payment(Struct, frozen=True):
    """Money that a gateway has taken. `buyer_id` is empty where it does not say whose it was."""

    order_id: str
    payment_id: str  # the gateway's transaction
    amount_fen: int
    buyer_id: str = ""


class TradeState(StrEnum):
    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"  # nobody can pay it any more: closed, unknown there, or given back


class Trade(Struct, frozen=True):
    """What a gateway knows about an order. `payment` is there when it is paid."""

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
    },
):
    """The five fields of wx.requestPayment, as they are."""

    timestamp: str
    nonce: str
    package: str
    sign_type: str
    pay_sign: str


class Invitation(Struct, frozen=True):
    """What the client needs to pay: a link, or the fields of wx.requestPayment."""

    link: str | None = None
    request_payment: RequestPayment | None = None


class RefundOrder(Struct, frozen=True):
    """Money to send back: the whole of one payment, under a number of its own."""

    refund_no: str
    payment_id: str
    order_id: str
    amount_fen: int


class RefundState(StrEnum):
    ACCEPTED = "accepted"  # the gateway has taken it on
    REFUNDED = "refunded"  # the buyer has the money
    FAILED = "failed"  # it will not come by itself: somebody must act at the gateway


class RefundAnswer(Struct, frozen=True):
    """What a gateway says about a refund. `gateway_no` is its own number."""

    state: RefundState
    gateway_no: str = ""
    detail: str = ""


class RefundNews(Struct, frozen=True):
    """What a refund callback says, to be compared with the refund's row."""

    refund_no: str
    payment_id: str
    order_id: str
    amount_fen: int
    answer: RefundAnswer


class PayGateway(Protocol):
    """`name` is the name in the settings and in SQL; `login` is the login that it needs."""

    name: ClassVar[str]
    login: ClassVar[str | None]

    def running(self) -> AbstractAsyncContextManager[None]:
        """What it needs while it is used: connections, threads."""
        ...

    async def prepay(self, order: PaymentOrder) -> str:
        """Announce an order; its prepay id. The same order again is the same."""
        ...

    async def invite(self, order_id: str, prepay_id: str) -> Invitation:
        """What the client needs to pay an announced order."""
        ...

    async def query(self, order_id: str) -> Trade:
        """What has become of an order."""
        ...

    async def close(self, order_id: str) -> None:
        """Let nobody pay it any more. Refused when it is paid."""
        ...

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        """Send money back, once per number."""
        ...

    async def query_refund(self, refund_no: str) -> RefundAnswer | None:
        """What has become of a refund; None when the gateway does not know it."""
        ...
