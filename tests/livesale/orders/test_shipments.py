"""Parcels: packing → shipped → received, and the stage of the order that follows."""

import asyncio
from typing import Any

import pytest

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.orders.events import events_of
from livesale.orders.keeper import OrderKeeper
from livesale.orders.shipments.carriers import carrier_of, number_of
from tests.livesale.api import Api
from tests.livesale.orders.after import SF, order_of, sell, ship, tell_address
from tests.livesale.stage import on_both, running, until_written

FAR_MS = 9_000_000_000_000


async def sold_order(api: Api, **terms: Any) -> str:
    """A paid order with an address."""
    async with running(Writer(api.deployment)):
        order_id = await sell(api, await api.open_drop(**terms))
    assert (await tell_address(api, order_id)).status == 200
    return order_id


async def kinds(api: Api, order_id: str) -> list[tuple[str, str]]:
    async with session(api.deployment.sql) as connection:
        return [(event.kind, event.who) for event in await events_of(connection, order_id)]


@on_both
async def test_the_way_of_an_order_in_two_parcels(api: Api) -> None:
    # given a paid order
    order_id = await sold_order(api)
    assert (await order_of(api, order_id))["stage"] == "waiting"
    early = await api.post(f"/v1/orders/{order_id}/receipt", by=api.buyer())
    assert (early.status, early.code) == (409, "not_shipped")
    # when one parcel is packed
    packed = await api.post(
        f"/v1/admin/orders/{order_id}/parcels", {"note": "lid", "is_last": False}, by=api.boss
    )
    assert (packed.status, packed.body["state"]) == (201, "packing")
    assert (await order_of(api, order_id))["stage"] == "packing"
    # when the last one is shipped, then the order waits for the other one
    last = await ship(api, order_id)
    assert (last.body["state"], last.body["carrier_name"]) == ("shipped", "顺丰速运")
    assert (await order_of(api, order_id))["stage"] == "packing"
    # when that is shipped, too, ten times at once, by name
    body = {"carrier": "中通", "number": " zt 123 456 789 01"}
    path = f"/v1/admin/parcels/{packed.body['parcel_id']}/ship"
    replies = await asyncio.gather(*(api.post(path, body, by=api.boss) for _ in range(10)))
    assert {reply.status for reply in replies} == {200}
    assert replies[0].body["number"] == "ZT12345678901"
    assert (await order_of(api, order_id))["stage"] == "shipped"
    # when the buyer has them, and says it twice
    for _ in range(2):
        got = await api.post(f"/v1/orders/{order_id}/receipt", by=api.buyer())
        assert [parcel["state"] for parcel in got.body["parcels"]] == ["received"] * 2
    # then every step was written down once
    order = await order_of(api, order_id)
    assert (order["stage"], len(order["parcels"])) == ("received", 2)
    boss, ann = "operator|boss", "buyer|ann"
    assert await kinds(api, order_id) == [
        ("address.given", ann),
        ("parcel.packing", boss),
        ("order.packing", boss),
        ("parcel.shipped", boss),
        ("parcel.shipped", boss),
        ("order.shipped", boss),
        ("parcel.received", ann),
        ("parcel.received", ann),
        ("order.received", ann),
    ]


async def test_the_same_number_twice_is_one_parcel(api: Api) -> None:
    order_id = await sold_order(api)
    replies = await asyncio.gather(*(ship(api, order_id) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200] * 4 + [201]
    assert len((await order_of(api, order_id))["parcels"]) == 1
    # and another one after the last is refused
    more = await ship(api, order_id, number="SF9999999999999")
    assert (more.status, more.code) == (409, "all_shipped")


async def test_a_number_is_corrected_until_it_arrives(api: Api) -> None:
    order_id = await sold_order(api)
    path = f"/v1/admin/parcels/{(await ship(api, order_id)).body['parcel_id']}/ship"
    right = {"carrier": "YD", "number": "1234567890123"}
    assert (await api.post(path, right, by=api.boss)).body["carrier"] == "YD"
    assert ("parcel.corrected", "operator|boss") in await kinds(api, order_id)
    await api.post(f"/v1/orders/{order_id}/receipt", by=api.buyer())
    late = await api.post(path, SF, by=api.boss)
    assert (late.status, late.code) == (409, "already_received")


async def test_a_parcel_is_unpacked(api: Api) -> None:
    order_id = await sold_order(api)
    packed = await api.post(f"/v1/admin/orders/{order_id}/parcels", {}, by=api.boss)
    path = f"/v1/admin/parcels/{packed.body['parcel_id']}/cancel"
    for _ in range(2):
        reply = await api.post(path, {"reason": "wrong box"}, by=api.boss)
        assert (reply.status, reply.body["state"]) == (200, "cancelled")
    order = await order_of(api, order_id)
    assert (order["stage"], order["parcels"]) == ("waiting", [])
    # and a shipped one is not
    parcel_id = (await ship(api, order_id)).body["parcel_id"]
    reply = await api.post(f"/v1/admin/parcels/{parcel_id}/cancel", {"reason": "no"}, by=api.boss)
    assert (reply.status, reply.code) == (409, "all_shipped")


async def test_what_nobody_receives_is_received_in_time(api: Api) -> None:
    # given a shipped order, and one that is only packed
    order_id, other = await sold_order(api), await sold_order(api)
    parcel = (await ship(api, order_id)).body
    await api.post(f"/v1/admin/orders/{other}/parcels", {}, by=api.boss)
    keepers = OrderKeeper(api.deployment), OrderKeeper(api.deployment)
    # when its time has not come, then nothing happens
    assert await keepers[0].receive(parcel["due_ms"] - 1) == 0
    # when it has, and two keepers see it
    await asyncio.gather(*(keeper.receive(parcel["due_ms"]) for keeper in keepers))
    # then it is received, once
    assert (await order_of(api, order_id))["stage"] == "received"
    assert (await order_of(api, other))["stage"] == "packing"
    assert (await kinds(api, order_id)).count(("order.received", "keeper")) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"carrier": "NONE", "number": "SF1234567890123"}, "carrier"),
        ({"carrier": "SF"}, "number"),
        ({"carrier": "SF", "number": "12"}, "number"),
        ({"carrier": "SF", "number": "=1+2"}, "number"),
        ({"number": "SF1234567890123"}, "carrier"),
        ({"method": "pickup", "number": "SF1234567890123"}, "number"),
        ({"method": "bicycle"}, "method"),
        ({"weight_g": 3}, "weight_g"),
    ],
)
async def test_what_is_no_parcel(api: Api, body: dict[str, Any], field: str) -> None:
    reply = await api.post("/v1/admin/orders/nosuch-0123456789abcdef/parcels", body, by=api.boss)
    assert (reply.status, reply.body["field"]) == (422, field)


async def test_what_cannot_be_shipped(api: Api) -> None:
    async with running(Writer(api.deployment)):
        drop_id = await api.open_drop()
        sold = await sell(api, drop_id)
        held = (await api.reserve(drop_id, "bob")).body["reservation_id"]
        await until_written(api.deployment)
    for order_id, code in (
        (sold, "no_address"),
        (held, "not_sold"),
        ("nosuch-0123456789abcdef", "unknown_order"),
    ):
        assert (await ship(api, order_id)).code == code
    # but a ticket needs no address
    reply = await api.post(f"/v1/admin/orders/{sold}/parcels", {"method": "virtual"}, by=api.boss)
    assert (reply.status, reply.body["state"]) == (201, "shipped")
    # and buyers ship nothing
    for by in (api.buyer(), api.viewer):
        assert (await api.post(f"/v1/admin/orders/{sold}/parcels", {}, by=by)).status == 403


def test_numbers_of_carriers() -> None:
    for carrier, text, number in (
        ("sf", "sf 1234 5678 9012 3", "SF1234567890123"),
        ("韵达速递", "1234567890", "1234567890"),
        ("SF", "=HYPERLINK(1)", ""),
        ("EMS", "EA123456789CN", "EA123456789CN"),
    ):
        found = carrier_of(carrier)
        assert found is not None
        assert number_of(found, text) == number
    assert carrier_of("") is None
