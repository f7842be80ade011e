"""GET /v1/admin/orders, /v1/admin/orders/{order_id}, /v1/admin/orders/{order_id}/address"""

from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.orders.addresses.routes import OrderAddressView, show
from livesale.orders.cases.routes import ShownCase, show_cases
from livesale.orders.search.service import OrderSearch, Wanted
from livesale.orders.search.store import Found
from livesale.orders.shipments.routes import ShownParcel, show_parcel
from livesale.orders.stages import NAMES
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route
from stock.model import MAX_TIME_MS, HoldState

T = TypeVar("T", bound=Struct)
StageName = Literal["waiting", "packing", "shipped", "received", "cancelled"]


class OrdersQuery(Struct, frozen=True):
    """`number`: of an order or a parcel. `phone`: its last four digits."""

    number: Annotated[
        str, whole(r"^[A-Za-z0-9_-]{0,40}$", description="of an order or a parcel")
    ] = ""
    phone: Annotated[str, whole(r"^([0-9]{4})?$", description="the last four digits")] = ""
    buyer_id: Annotated[str, whole(r"^[A-Za-z0-9_-]{0,40}$")] = ""
    status: Annotated[
        str,
        whole(
            r"^(held|sold|released|expired|waiting|packing|shipped|received|cancelled)?$",
            description=(
                "held, released or expired; sold, or a stage of sold orders: waiting, packing, "
                "shipped, received, cancelled; all by default"
            ),
        ),
    ] = ""
    from_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    until_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    after: Annotated[
        str,
        whole(
            r"^([0-9]{1,13}\.[0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$",
            description="`next` of a page",
        ),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class FoundOrder(Struct, frozen=True, gc=False):
    """`stage` is that of a sold order, else null."""

    order_id: str
    drop_id: str
    buyer_id: str
    status: HoldState
    stage: StageName | None
    quantity: int
    amount_fen: int
    created_ms: int
    updated_ms: int


class FoundOrders(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    orders: list[FoundOrder]
    next: str | None


class OrderEvent(Struct, frozen=True):
    """What happened: `who` is buyer|id, operator|name or keeper."""

    kind: str
    about: str
    before: str
    after: str
    who: str
    why: str
    at_ms: int


class WholeRefund(Struct, frozen=True):
    refund_no: str
    payment_id: str
    amount_fen: int
    state: str
    reason: str
    note: str
    last_error: str
    created_ms: int
    updated_ms: int


class ReturnedUnits(Struct, frozen=True):
    """Units that came back: due, done, or outside of their drop."""

    take_id: str
    units: int
    fate: str
    state: str
    detail: str
    updated_ms: int


class WholeOrder(FoundOrder, frozen=True):
    """An order with all that belongs to it. Its address has a call of its own."""

    price_fen: int
    expires_ms: int
    room_id: str | None
    payment: str
    has_address: bool
    refunds: list[WholeRefund]
    parcels: list[ShownParcel]
    cases: list[ShownCase]
    take_backs: list[ReturnedUnits]
    events: list[OrderEvent]


async def search_orders(parts: Parts, call: Call) -> Answer:
    query = call.query
    wanted = Wanted(**{name: getattr(query, name) for name in Wanted.__struct_fields__})
    found, cursor = await parts[OrderSearch].page(wanted)
    return Answer(200, FoundOrders([_found(order) for order in found], cursor))


async def show_whole_order(parts: Parts, call: Call) -> Answer:
    found = await parts[OrderSearch].whole(call.path["order_id"])
    order = found.order
    shown = WholeOrder(
        order_id=order.order_id,
        drop_id=order.drop_id,
        buyer_id=order.buyer_id,
        status=HoldState(order.state),
        stage=_stage(order.state, order.stage),
        quantity=order.quantity,
        amount_fen=order.amount_fen,
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
        price_fen=order.price_fen,
        expires_ms=order.expires_ms,
        room_id=order.room_id,
        payment="paid" if order.state == HoldState.SOLD else found.prepay,
        has_address=found.has_address,
        refunds=[_take(WholeRefund, refund) for refund in found.refunds],
        parcels=[show_parcel(parcel) for parcel in found.parcels],
        cases=await show_cases(parts, found.cases),
        take_backs=[_take(ReturnedUnits, row) for row in found.take_backs],
        events=[_take(OrderEvent, event) for event in found.events],
    )
    return Answer(200, shown)


async def show_address_of_order(parts: Parts, call: Call) -> Answer:
    order_id = call.path["order_id"]
    found = await parts[OrderSearch].address(order_id)
    return Answer(200, OrderAddressView(order_id, show(found) if found else None))


def _found(order: Found) -> FoundOrder:
    return FoundOrder(
        order.order_id,
        order.drop_id,
        order.buyer_id,
        HoldState(order.state),
        _stage(order.state, order.stage),
        order.quantity,
        order.amount_fen,
        order.created_ms,
        order.updated_ms,
    )


def _stage(state: str, stage: str) -> StageName | None:
    found: StageName | None = NAMES[stage] if state == HoldState.SOLD else None  # type: ignore[assignment]
    return found


def _take(kind: type[T], row: Struct) -> T:
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})


ROUTES = [
    Route(
        "GET",
        "/v1/admin/orders",
        search_orders,
        "Find orders, the newest first",
        "admin",
        {200: FoundOrders},
        ("addresses_off", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_READ,
        query=OrdersQuery,
        description=(
            "By the number of an order or a parcel, by the last four digits of the phone, or by "
            "buyer; with status and time. An order appears a moment after its reservation."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/orders/{order_id}",
        show_whole_order,
        "All of an order",
        "admin",
        {200: WholeOrder},
        ("unknown_order", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_READ,
    ),
    Route(
        "GET",
        "/v1/admin/orders/{order_id}/address",
        show_address_of_order,
        "Where an order goes",
        "admin",
        {200: OrderAddressView},
        ("unknown_order", "addresses_off", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_SHIP,
    ),
]
