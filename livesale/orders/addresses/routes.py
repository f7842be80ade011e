"""/v1/addresses and /v1/orders/{order_id}/address"""

from typing import Annotated

from msgspec import Struct

from livesale.orders.addresses.form import Address, AddressForm, check_address
from livesale.orders.addresses.service import AddressBook, Kept, OrderAddresses
from livesale.parts import Parts
from livesale.validation.refusals import InvalidField
from livesale.validation.texts import whole
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import (
    Answer,
    Call,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)

ADDRESS_ID_PATTERN = r"^a[0-9a-z]{13}$"


class NewAddress(AddressForm, frozen=True, forbid_unknown_fields=True):
    """A new address; `is_default` makes it the default. The first one always is."""

    is_default: bool = False


class ShownAddress(Struct, frozen=True):
    name: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    postcode: str


class KeptAddress(ShownAddress, frozen=True):
    address_id: str
    is_default: bool
    updated_ms: int


class Addresses(Struct, frozen=True):
    """The default first, then the newest."""

    addresses: list[KeptAddress]


class ChosenAddress(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two: an address from the book, or another one, such as wx.chooseAddress gives."""

    address_id: Annotated[str, whole(ADDRESS_ID_PATTERN)] | None = None
    address: AddressForm | None = None


class OrderAddressView(Struct, frozen=True):
    """`address` is null until it is given."""

    order_id: str
    address: ShownAddress | None


async def list_addresses(parts: Parts, call: Call) -> Answer:
    found = await parts[AddressBook].list(call.buyer_id)
    return Answer(200, Addresses([_kept(kept) for kept in found]))


async def add_address(parts: Parts, call: Call) -> Answer:
    kept, is_new = await parts[AddressBook].add(
        call.buyer_id, call.body, default=call.body.is_default, key=call.key
    )
    return Answer(201 if is_new else 200, _kept(kept))


async def change_address(parts: Parts, call: Call) -> Answer:
    kept = await parts[AddressBook].change(call.path["address_id"], call.buyer_id, call.body)
    return Answer(200, _kept(kept))


async def delete_address(parts: Parts, call: Call) -> Answer:
    await parts[AddressBook].remove(call.path["address_id"], call.buyer_id)
    return Answer(200, Nothing())


async def make_default_address(parts: Parts, call: Call) -> Answer:
    kept = await parts[AddressBook].make_default(call.path["address_id"], call.buyer_id)
    return Answer(200, _kept(kept))


async def show_order_address(parts: Parts, call: Call) -> Answer:
    order_id = call.path["order_id"]
    found = await parts[OrderAddresses].find(order_id, call.buyer_id)
    return Answer(200, OrderAddressView(order_id, show(found) if found else None))


async def put_order_address(parts: Parts, call: Call) -> Answer:
    order_id, chosen = call.path["order_id"], call.body
    if (chosen.address_id is None) == (chosen.address is None):
        raise InvalidField("address_id", "Send either `address_id` or `address`.")
    if chosen.address is not None:
        address = check_address(chosen.address)
    else:
        address = (await parts[AddressBook].find(chosen.address_id, call.buyer_id)).address
    await parts[OrderAddresses].put(order_id, call.buyer_id, address)
    return Answer(200, OrderAddressView(order_id, show(address)))


def show(address: Address) -> ShownAddress:
    return ShownAddress(**{name: getattr(address, name) for name in ShownAddress.__struct_fields__})


def _kept(kept: Kept) -> KeptAddress:
    fields = {name: getattr(kept.address, name) for name in ShownAddress.__struct_fields__}
    return KeptAddress(
        **fields,
        address_id=kept.address_id,
        is_default=kept.is_default,
        updated_ms=kept.updated_ms,
    )


declare_path_parameters(
    address_id=PathParameter(ADDRESS_ID_PATTERN, "unknown_address", "An address of yours"),
)
_OFF = ("addresses_off", "store_unavailable")

ROUTES = [
    Route(
        "GET",
        "/v1/addresses",
        list_addresses,
        "Your addresses",
        "orders",
        {200: Addresses},
        _OFF,
        auth="buyer",
    ),
    Route(
        "POST",
        "/v1/addresses",
        add_address,
        "Keep an address",
        "orders",
        {201: KeptAddress, 200: KeptAddress},
        ("invalid_field", "idempotency_conflict", "too_many_addresses", *_OFF),
        auth="buyer",
        body=NewAddress,
        keyed=True,
        description="With the same Idempotency-Key again: the same address, with 200.",
    ),
    Route(
        "PUT",
        "/v1/addresses/{address_id}",
        change_address,
        "Change an address",
        "orders",
        {200: KeptAddress},
        ("unknown_address", "invalid_field", *_OFF),
        auth="buyer",
        body=AddressForm,
        description="Orders keep the address that they have.",
    ),
    Route(
        "DELETE",
        "/v1/addresses/{address_id}",
        delete_address,
        "Delete an address",
        "orders",
        {200: Nothing},
        ("unknown_address", *_OFF),
        auth="buyer",
        description="May be repeated. If it was the default, the newest one becomes it.",
    ),
    Route(
        "POST",
        "/v1/addresses/{address_id}/default",
        make_default_address,
        "Make an address the default",
        "orders",
        {200: KeptAddress},
        ("unknown_address", *_OFF),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
    ),
    Route(
        "GET",
        "/v1/orders/{order_id}/address",
        show_order_address,
        "Where your order goes",
        "orders",
        {200: OrderAddressView},
        ("unknown_order", *_OFF),
        auth="buyer",
    ),
    Route(
        "PUT",
        "/v1/orders/{order_id}/address",
        put_order_address,
        "Say where your order goes",
        "orders",
        {200: OrderAddressView},
        (
            *("unknown_order", "unknown_address", "invalid_field", "order_over", "already_packed"),
            *ENGINE_PROBLEMS,
            *_OFF,
        ),
        auth="buyer",
        body=ChosenAddress,
        description=(
            "Before or after paying, until the order is being packed. May be repeated and changed."
        ),
    ),
]
