"""GET /v1/admin/drops/{drop_id}/orders"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.ledger.orders import Order
from livesale.orders.service import Orders
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route
from stock.model import HoldState


class DropOrdersQuery(Struct, frozen=True):
    after: Annotated[
        str,
        whole(r"^([0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$", description="`next` of a page"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DropOrder(Struct, frozen=True, gc=False):
    order_id: str
    buyer_id: str
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    created_ms: int
    updated_ms: int


class DropOrderPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    orders: list[DropOrder]
    next: str | None


async def list_drop_orders(parts: Parts, call: Call) -> Answer:
    found, cursor = await parts[Orders].page_of_drop(
        call.path["drop_id"], after=call.query.after, limit=call.query.limit
    )
    return Answer(200, DropOrderPage([_order(order) for order in found], cursor))


def _order(order: Order) -> DropOrder:
    return DropOrder(
        order.order_id,
        order.buyer_id,
        HoldState(order.state),
        order.quantity,
        order.price_fen,
        order.amount_fen,
        order.expires_ms,
        order.created_ms,
        order.updated_ms,
    )


ROUTES = [
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}/orders",
        list_drop_orders,
        "All orders of a drop",
        "admin",
        {200: DropOrderPage},
        ("unknown_drop", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_READ,
        query=DropOrdersQuery,
        description="Sorted by id. An order appears a moment after its reservation.",
    ),
]
