"""GET /v1/orders, GET /v1/orders/{order_id}"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.sales.texts import whole
from livesale.store.orders import Order
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


class ShownOrder(Struct, frozen=True, gc=False):
    order_id: str
    reservation_id: str
    drop_id: str
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    created_ms: int
    updated_ms: int


class OrderPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    orders: list[ShownOrder]
    next: str | None


async def list_orders(services: Services, call: Call) -> Answer:
    found, cursor = await services.orders.page(
        call.buyer_id, after=call.query.after, limit=call.query.limit
    )
    return Answer(200, OrderPage([_shown(order) for order in found], cursor))


async def show_order(services: Services, call: Call) -> Answer:
    return Answer(200, _shown(await services.orders.find(call.path["order_id"], call.buyer_id)))


def _shown(order: Order) -> ShownOrder:
    return ShownOrder(
        order.order_id,
        order.order_id,
        order.drop_id,
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
        "/v1/orders",
        list_orders,
        "One's own orders, the newest first",
        "orders",
        {200: OrderPage},
        ("store_unavailable",),
        auth="buyer",
        query=OrdersQuery,
        description="An order stands here a moment after its reservation.",
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}",
        show_order,
        "One's own order",
        "orders",
        {200: ShownOrder},
        ("unknown_order", "store_unavailable"),
        auth="buyer",
    ),
]
