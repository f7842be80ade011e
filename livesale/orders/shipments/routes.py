"""Parcels: /v1/admin/orders/{order_id}/parcels, /v1/admin/parcels/…, and the buyer's receipt."""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.orders.addresses.form import OPTIONAL
from livesale.orders.shipments.carriers import CARRIERS, Carrier, Method
from livesale.orders.shipments.service import NewParcel, Shipments
from livesale.orders.shipments.store import Parcel, ParcelState
from livesale.parts import Parts
from livesale.validation.texts import prose, whole
from livesale.web.routes import (
    Answer,
    Call,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)

PARCEL_ID_PATTERN = r"^p[0-9a-z]{13}$"

CarrierText = Annotated[str, whole(OPTIONAL, max_length=20, examples=["SF"])]
NumberText = Annotated[str, whole(OPTIONAL, max_length=40, examples=["SF1234567890123"])]


class ParcelForm(Struct, frozen=True, forbid_unknown_fields=True):
    """An express parcel without a number is packed; with one it is shipped, like all others.

    `is_last`: with it, all of the order is on its way. `carrier` is a code or a name.
    """

    method: Method = Method.EXPRESS
    carrier: CarrierText = ""
    number: NumberText = ""
    note: Annotated[str, whole(OPTIONAL, max_length=200)] = ""
    is_last: bool = True


class Tracking(Struct, frozen=True, forbid_unknown_fields=True):
    carrier: CarrierText
    number: NumberText


class Cancelling(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, prose(examples=["wrong box"])]


class ShownParcel(Struct, frozen=True, gc=False):
    """A parcel. At `due_ms` a shipped one counts as received."""

    parcel_id: str
    state: ParcelState
    method: Method
    carrier: str
    carrier_name: str
    number: str
    note: str
    is_last: bool
    created_ms: int
    shipped_ms: int | None
    received_ms: int | None
    due_ms: int | None


class OrderParcels(Struct, frozen=True):
    order_id: str
    parcels: list[ShownParcel]


class ShownCarrier(Struct, frozen=True):
    """`number_pattern` is the form of its tracking numbers."""

    code: str
    name: str
    number_pattern: str


class Carriers(Struct, frozen=True):
    carriers: list[ShownCarrier]


async def list_carriers(_parts: Parts, _call: Call) -> Answer:
    return Answer(200, Carriers([_shown_carrier(carrier) for carrier in CARRIERS.values()]))


async def add_parcel(parts: Parts, call: Call) -> Answer:
    form = call.body
    new = NewParcel(form.method, form.carrier, form.number, form.note, form.is_last)
    parcel, is_new = await parts[Shipments].add(call.path["order_id"], new, call.name)
    return Answer(201 if is_new else 200, show_parcel(parcel))


async def ship_parcel(parts: Parts, call: Call) -> Answer:
    parcel = await parts[Shipments].ship(
        call.path["parcel_id"], call.body.carrier, call.body.number, call.name
    )
    return Answer(200, show_parcel(parcel))


async def cancel_parcel(parts: Parts, call: Call) -> Answer:
    parcel = await parts[Shipments].cancel(call.path["parcel_id"], call.name, call.body.reason)
    return Answer(200, show_parcel(parcel))


async def receive_order(parts: Parts, call: Call) -> Answer:
    order_id = call.path["order_id"]
    found = await parts[Shipments].receive(order_id, call.buyer_id)
    return Answer(200, OrderParcels(order_id, [show_parcel(parcel) for parcel in found]))


def show_parcel(parcel: Parcel) -> ShownParcel:
    carrier = CARRIERS.get(parcel.carrier)
    return ShownParcel(
        parcel_id=parcel.parcel_id,
        state=ParcelState(parcel.state),
        method=Method(parcel.method),
        carrier=parcel.carrier,
        carrier_name=carrier.name if carrier else "",
        number=parcel.number,
        note=parcel.note,
        is_last=bool(parcel.is_last),
        created_ms=parcel.created_ms,
        shipped_ms=parcel.shipped_ms or None,
        received_ms=parcel.received_ms or None,
        due_ms=parcel.due_ms or None,
    )


def _shown_carrier(carrier: Carrier) -> ShownCarrier:
    return ShownCarrier(carrier.code, carrier.name, carrier.number_pattern)


declare_path_parameters(
    parcel_id=PathParameter(PARCEL_ID_PATTERN, "unknown_parcel", "A parcel's id"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/admin/carriers",
        list_carriers,
        "Carriers and their codes",
        "admin",
        {200: Carriers},
        auth="operator",
        action=Action.ORDER_READ,
        description="The codes are those of WeChat's delivery companies.",
    ),
    Route(
        "POST",
        "/v1/admin/orders/{order_id}/parcels",
        add_parcel,
        "Pack or ship a parcel",
        "admin",
        {201: ShownParcel, 200: ShownParcel},
        (
            *("unknown_order", "invalid_field", "not_sold", "order_over", "no_address"),
            *("all_shipped", "too_many_parcels", "addresses_off", "store_unavailable"),
        ),
        auth="operator",
        action=Action.ORDER_SHIP,
        body=ParcelForm,
        changes=True,
        description=(
            "The address is copied into the parcel. The same tracking number again changes "
            "nothing: 200."
        ),
    ),
    Route(
        "POST",
        "/v1/admin/parcels/{parcel_id}/ship",
        ship_parcel,
        "Ship a packed parcel, or correct its number",
        "admin",
        {200: ShownParcel},
        (
            *("unknown_parcel", "invalid_field", "already_received"),
            "store_unavailable",
        ),
        auth="operator",
        action=Action.ORDER_SHIP,
        body=Tracking,
        changes=True,
        description="May be repeated.",
    ),
    Route(
        "POST",
        "/v1/admin/parcels/{parcel_id}/cancel",
        cancel_parcel,
        "Unpack a parcel",
        "admin",
        {200: ShownParcel},
        ("unknown_parcel", "all_shipped", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_SHIP,
        body=Cancelling,
        changes=True,
        description="Only before it is shipped. May be repeated.",
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/receipt",
        receive_order,
        "I have received my order",
        "orders",
        {200: OrderParcels},
        ("unknown_order", "not_sold", "order_over", "not_shipped", "store_unavailable"),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description="All parcels that are on their way. May be repeated.",
    ),
]
