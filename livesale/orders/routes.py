"""GET /v1/orders, GET /v1/orders/{order_id}"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.ledger.orders import Order
from livesale.ledger.refunds import Refund
from livesale.orders.cases.routes import ShownCase, show_cases
from livesale.orders.service import Money, Orders
from livesale.orders.shipments.routes import ShownParcel, show_parcel
from livesale.orders.stages import NAMES
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import RID_PATTERN
from stock.model import HoldState


class OrdersQuery(Struct, frozen=True):
    after: Annotated[
        str,
        whole(
            r"^([0-9]{1,13}\.[0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$",
            description="`next` of a page",
        ),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Payment(StrEnum):
    """Whether the order is paid; if not, whether a payment was started and is still possible."""

    NONE = "none"
    OPEN = "open"
    CLOSED = "closed"
    PAID = "paid"


class OrderRefund(Struct, frozen=True, gc=False):
    """A refund. `reason`: too_late, paid_twice, unknown_order, operator, after_sale."""

    refund_no: str
    amount_fen: int
    state: Literal["due", "sent", "accepted", "refunded", "failed"]
    reason: str
    created_ms: int
    updated_ms: int


class ShownOrder(Struct, frozen=True, gc=False):
    """`stage` is that of a sold order on its way to the buyer, else null."""

    order_id: str
    reservation_id: str
    drop_id: str
    room_id: str | None
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    created_ms: int
    updated_ms: int
    payment: Payment
    refunds: list[OrderRefund]
    stage: Literal["waiting", "packing", "shipped", "received", "cancelled"] | None
    parcels: list[ShownParcel]
    cases: list[ShownCase]


class OrderPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    orders: list[ShownOrder]
    next: str | None


async def list_orders(parts: Parts, call: Call) -> Answer:
    found, cursor = await parts[Orders].page(
        call.buyer_id, after=call.query.after, limit=call.query.limit
    )
    return Answer(200, OrderPage(await _show(parts, found), cursor))


async def show_order(parts: Parts, call: Call) -> Answer:
    order = await parts[Orders].find(call.path["order_id"], call.buyer_id)
    return Answer(200, (await _show(parts, [order]))[0])


async def _show(parts: Parts, orders: Sequence[Order]) -> list[ShownOrder]:
    money = await parts[Orders].money([order.order_id for order in orders])
    cases = await show_cases(parts, money.cases)
    return [_shown(order, money, cases) for order in orders]


def _shown(order: Order, money: Money, cases: list[ShownCase]) -> ShownOrder:
    payment = "paid" if order.state == HoldState.SOLD else money.prepays.get(order.order_id, "none")
    return ShownOrder(
        order.order_id,
        order.order_id,
        order.drop_id,
        order.room_id,
        HoldState(order.state),
        order.quantity,
        order.price_fen,
        order.amount_fen,
        order.expires_ms,
        order.created_ms,
        order.updated_ms,
        Payment(payment),
        [_shown_refund(refund) for refund in money.refunds if refund.order_id == order.order_id],
        NAMES[order.stage] if order.state == HoldState.SOLD else None,  # type: ignore[arg-type]
        [show_parcel(parcel) for parcel in money.parcels if parcel.order_id == order.order_id],
        [case for case in cases if case.order_id == order.order_id],
    )


def _shown_refund(refund: Refund) -> OrderRefund:
    return OrderRefund(**{name: getattr(refund, name) for name in OrderRefund.__struct_fields__})


declare_path_parameters(
    order_id=PathParameter(
        RID_PATTERN, "unknown_order", "An order's id: the same as its reservation's"
    ),
)

ROUTES = [
    Route(
        "GET",
        "/v1/orders",
        list_orders,
        "Your orders, the newest first",
        "orders",
        {200: OrderPage},
        ("store_unavailable",),
        auth="buyer",
        query=OrdersQuery,
        description="An order appears a moment after its reservation.",
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}",
        show_order,
        "Your order",
        "orders",
        {200: ShownOrder},
        ("unknown_order", "store_unavailable"),
        auth="buyer",
    ),
]
