"""GET /v1/me/overview, /v1/me/orders, /v1/me/refunds, /v1/me/coupons: what a buyer has."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.mine.service import Mine
from livesale.mine.views import (
    MyCoupons,
    MyOrders,
    MyRefunds,
    Overview,
    Part,
    show_coupon,
    show_hold,
    show_limit,
    show_order,
    show_refund,
    show_reminder,
)
from livesale.orders.routes import OrdersQuery
from livesale.parts import Parts
from livesale.tasks.clock import Clock
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route
from stock.ids import DROP_ID_PATTERN


class RefundsQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(r"^([0-9]{1,13}\.[A-Za-z0-9_-]{1,64})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class CouponsQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(rf"^({DROP_ID_PATTERN[1:-1]})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


async def show_overview(parts: Parts, call: Call) -> Answer:
    mine = parts[Mine]
    seen = await mine.overview(call.buyer_id)
    goods = await mine.goods({one.drop_id for one in seen.refunds})
    now_ms = parts[Clock].now_ms()
    parts_missing: list[Part] = seen.missing  # type: ignore[assignment]
    complete = not {"orders", "reservations"} & set(seen.missing)
    return Answer(
        200,
        Overview(
            holds=[show_hold(one, now_ms) for one in seen.holds],
            limits=[show_limit(one) for one in seen.limits],
            orders=MyOrders(
                [show_order(one) for one in seen.orders], seen.orders_next, complete, now_ms
            ),
            refunds=MyRefunds([show_refund(one, goods) for one in seen.refunds], seen.refunds_next),
            coupons=MyCoupons([show_coupon(one) for one in seen.coupons], seen.coupons_next),
            reminders=[show_reminder(one) for one in seen.reminders],
            missing=parts_missing,
            server_ms=now_ms,
        ),
    )


async def list_my_orders(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor, complete = await parts[Mine].orders(
        call.buyer_id, after=query.after, limit=query.limit
    )
    shown = [show_order(one) for one in found]
    return Answer(200, MyOrders(shown, cursor, complete, parts[Clock].now_ms()))


async def list_my_refunds(parts: Parts, call: Call) -> Answer:
    query, mine = call.query, parts[Mine]
    found, cursor = await mine.refunds(call.buyer_id, after=query.after, limit=query.limit)
    goods = await mine.goods({one.drop_id for one in found})
    return Answer(200, MyRefunds([show_refund(one, goods) for one in found], cursor))


async def list_my_coupons(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[Mine].coupons(call.buyer_id, after=query.after, limit=query.limit)
    return Answer(200, MyCoupons([show_coupon(one) for one in found], cursor))


ROUTES = [
    Route(
        "GET",
        "/v1/me/overview",
        show_overview,
        "What you have: holds, limits, orders, refunds, coupons, reminders",
        "me",
        {200: Overview},
        ("store_unavailable",),
        auth="buyer",
        description=(
            "One call for a page of the buyer's own things; the lists go on with the calls below. "
            "A new hold is in it at once, also while the database is away: then `missing` says "
            "what is not."
        ),
    ),
    Route(
        "GET",
        "/v1/me/orders",
        list_my_orders,
        "Your orders with titles and pictures, the newest first",
        "me",
        {200: MyOrders},
        ("store_unavailable",),
        auth="buyer",
        query=OrdersQuery,
        description=(
            "Reservations and orders, merged by their id: the first page has a new reservation "
            "at once. `GET /v1/orders/{order_id}` has parcels, cases and single refunds."
        ),
    ),
    Route(
        "GET",
        "/v1/me/refunds",
        list_my_refunds,
        "Money that goes back to you, the newest first",
        "me",
        {200: MyRefunds},
        ("store_unavailable",),
        auth="buyer",
        query=RefundsQuery,
    ),
    Route(
        "GET",
        "/v1/me/coupons",
        list_my_coupons,
        "Coupons that you won in lucky bags, the newest first",
        "me",
        {200: MyCoupons},
        ("store_unavailable",),
        auth="buyer",
        query=CouponsQuery,
    ),
]
