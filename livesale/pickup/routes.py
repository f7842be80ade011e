"""GET /v1/pickup-stores, and /v1/orders/{order_id}/pickup for buyers."""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from livesale.database.engine import now_ms
from livesale.orders.pickups import PickupState
from livesale.parts import Parts
from livesale.pickup.codes import qr_of
from livesale.pickup.places import Opening, is_open
from livesale.pickup.service import Chosen, Pickups, PickupStores
from livesale.pickup.store import StoreRow
from livesale.validation.lists import Words
from livesale.validation.texts import whole
from livesale.web.problems import Problem
from livesale.web.routes import Answer, Call, Nothing, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN

StoreId = Annotated[str, whole(DROP_ID_PATTERN)]
Lat = Annotated[float, Meta(ge=-90, le=90, description="degrees, GCJ-02", examples=[22.54])]
Lng = Annotated[float, Meta(ge=-180, le=180, description="degrees, GCJ-02", examples=[113.95])]


class NearQuery(Struct, frozen=True):
    """A place in GCJ-02, as `wx.getLocation({type: 'gcj02'})` gives it; or a part of the store's
    name or address, for a buyer who does not say where they are; or neither."""

    lat: Lat | None = None
    lng: Lng | None = None
    q: Words = ""
    radius_m: Annotated[int, Meta(ge=1, le=200_000)] = 20_000
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class ShownStore(Struct, frozen=True):
    """A store. `lat` and `lng` are GCJ-02; `hours` are by its own clock."""

    store_id: str
    title: str
    address: str
    phone: str
    state: Literal["open", "closed"]
    lat: float
    lng: float
    utc_offset_min: int
    hours: list[Opening]
    open_now: bool


class NearStore(Struct, frozen=True):
    """`distance_m` is null if no place was given."""

    distance_m: int | None
    store: ShownStore


class NearStores(Struct, frozen=True):
    """The nearest first; without a place, in the order of their ids."""

    stores: list[NearStore]


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    store_id: StoreId


class ShownPickup(Struct, frozen=True):
    """`code`, and `qr` with what its picture says, while the order is paid and waits. Null then
    means that the service's key has changed: ask for a new code."""

    order_id: str
    state: PickupState
    store: ShownStore
    code: str | None
    qr: str | None
    used_ms: int | None


async def list_near(parts: Parts, call: Call) -> Answer:
    query = call.query
    place = _place_of(query)
    stores = parts[PickupStores]
    found: list[tuple[int | None, StoreRow]]
    if place is None:
        rows = await stores.list("", query.limit, "open", query.q)
        found = [(None, row) for row in rows]
    else:
        rows_near = await stores.near(*place, query.radius_m, query.limit, query.q)
        found = [(near.distance_m, near.store) for near in rows_near]
    return Answer(200, NearStores([NearStore(metres, show_store(row)) for metres, row in found]))


def _place_of(query: NearQuery) -> tuple[float, float] | None:
    if query.lat is None and query.lng is None:
        return None
    return _degrees("lat", query.lat), _degrees("lng", query.lng)


def _degrees(name: str, value: float | None) -> float:
    if value is None:
        why = "Give both `lat` and `lng`, or neither."
    elif not math.isfinite(value):
        why = "It is not a number."
    else:
        return value
    raise Problem("invalid_parameter", why, field=name, where="query")


async def show_pickup(parts: Parts, call: Call) -> Answer:
    return _shown(await parts[Pickups].find(call.path["order_id"], call.buyer_id))


async def choose_pickup(parts: Parts, call: Call) -> Answer:
    return _shown(
        await parts[Pickups].choose(call.path["order_id"], call.buyer_id, call.body.store_id)
    )


async def renew_code(parts: Parts, call: Call) -> Answer:
    return _shown(await parts[Pickups].renew(call.path["order_id"], call.buyer_id))


async def cancel_pickup(parts: Parts, call: Call) -> Answer:
    await parts[Pickups].cancel(call.path["order_id"], call.buyer_id)
    return Answer(200, Nothing())


def show_store(row: StoreRow) -> ShownStore:
    hours = msgspec.json.decode(row.hours, type=list[Opening])
    return ShownStore(
        row.store_id,
        row.title,
        row.address,
        row.phone,
        "open" if row.state == "open" else "closed",
        row.lat,
        row.lng,
        row.utc_offset_min,
        hours,
        row.state == "open" and is_open(hours, row.utc_offset_min, now_ms()),
    )


def _shown(chosen: Chosen) -> Answer:
    pickup, code = chosen.pickup, chosen.code
    return Answer(
        200,
        ShownPickup(
            pickup.order_id,
            PickupState(pickup.state),
            show_store(chosen.store),
            code,
            qr_of(pickup.store_id, code) if code else None,
            pickup.used_ms or None,
        ),
    )


declare_path_parameters(
    store_id=PathParameter(DROP_ID_PATTERN, "unknown_store", "A pickup store's id"),
)

_CHANGE = ("unknown_order", "order_over", "already_packed", "store_unavailable")

ROUTES = [
    Route(
        "GET",
        "/v1/pickup-stores",
        list_near,
        "Open pickup stores",
        "orders",
        {200: NearStores},
        ("store_unavailable",),
        query=NearQuery,
        description="With a place (GCJ-02) the nearest first, at most `limit`. `q` finds by name "
        "and address.",
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}/pickup",
        show_pickup,
        "Where your order waits, and its code",
        "orders",
        {200: ShownPickup},
        ("unknown_order", "unknown_pickup", "store_unavailable"),
        auth="buyer",
    ),
    Route(
        "PUT",
        "/v1/orders/{order_id}/pickup",
        choose_pickup,
        "Collect your order in a store",
        "orders",
        {200: ShownPickup},
        (*_CHANGE, "unknown_store", "store_closed"),
        auth="buyer",
        body=Choice,
        description="In place of its address. May be repeated.",
    ),
    Route(
        "DELETE",
        "/v1/orders/{order_id}/pickup",
        cancel_pickup,
        "Do not collect your order in a store",
        "orders",
        {200: Nothing},
        _CHANGE,
        auth="buyer",
        description="May be repeated. An address for the order does it, too.",
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/pickup/code",
        renew_code,
        "A new code for your order",
        "orders",
        {200: ShownPickup},
        (*_CHANGE, "unknown_pickup", "unknown_store", "store_closed"),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description="The old one is void, also for a phone that has it, once that phone syncs.",
    ),
]
