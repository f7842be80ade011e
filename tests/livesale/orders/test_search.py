"""Operators find orders: by number, phone, buyer, status and time; page by page."""

from typing import Any

import pytest

from livesale.ledger.writer import Writer
from tests.livesale.api import Api
from tests.livesale.orders.after import HOME, sell, ship, tell_address
from tests.livesale.stage import on_both, running, until_written


async def search(api: Api, **query: Any) -> list[str]:
    """The ids of all pages, two at a time."""
    given = "&".join(f"{name}={value}" for name, value in query.items())
    seen: list[str] = []
    after = ""
    while True:
        reply = await api.get(f"/v1/admin/orders?limit=2&after={after}&{given}", by=api.viewer)
        assert reply.status == 200, reply.body
        seen += [order["order_id"] for order in reply.body["orders"]]
        after = reply.body["next"]
        if after is None:
            return seen


@on_both
async def test_every_way_finds_its_orders(api: Api) -> None:
    # given orders in every state
    async with running(Writer(api.deployment)):
        drop_id = await api.open_drop()
        waiting = await sell(api, drop_id, "ann")
        shipped = await sell(api, drop_id, "bob")
        held = (await api.reserve(drop_id, "cat")).body["reservation_id"]
        released = (await api.reserve(drop_id, "ann")).body["reservation_id"]
        await api.delete(f"/v1/reservations/{released}", by=api.buyer())
        await tell_address(api, waiting)
        await tell_address(api, shipped, "bob", phone="13900139111")
        await ship(api, shipped)
        await until_written(api.deployment)
    every = await search(api)
    # then all are in the list, the newest first, once each
    assert every == sorted(every, key=every.index)
    assert every == [released, held, shipped, waiting]
    # and each filter finds its own
    rows = (await api.get("/v1/admin/orders", by=api.viewer)).body["orders"]
    at_ms = {row["order_id"]: row["created_ms"] for row in rows}
    for query, found in (
        ({"status": "held"}, [held]),
        ({"status": "released"}, [released]),
        ({"status": "sold"}, [shipped, waiting]),
        ({"status": "waiting"}, [waiting]),
        ({"status": "shipped"}, [shipped]),
        ({"status": "expired"}, []),
        ({"buyer_id": "ann"}, [released, waiting]),
        ({"buyer_id": "ann", "status": "sold"}, [waiting]),
        ({"phone": "8000"}, [waiting]),
        ({"phone": "9111"}, [shipped]),
        ({"phone": "9111", "status": "waiting"}, []),
        ({"phone": "0000"}, []),
        ({"number": shipped}, [shipped]),
        ({"number": "SF1234567890123"}, [shipped]),
        ({"number": "nothing"}, []),
        ({"from_ms": at_ms[held]}, [released, held]),
        ({"until_ms": at_ms[held], "status": "sold"}, [shipped, waiting]),
    ):
        assert await search(api, **query) == found, query


async def test_the_page_of_an_order_has_all_of_it(api: Api) -> None:
    async with running(Writer(api.deployment)):
        order_id = await sell(api, await api.open_drop())
    await tell_address(api, order_id)
    await ship(api, order_id)
    await api.post(
        f"/v1/orders/{order_id}/cases",
        {"kind": "refund", "units": 1, "reason": "broken"},
        by=api.buyer(),
    )
    page = (await api.get(f"/v1/admin/orders/{order_id}", by=api.viewer)).body
    assert (page["status"], page["stage"], page["payment"]) == ("sold", "shipped", "paid")
    assert [event["kind"] for event in page["events"]] == [
        *("address.given", "parcel.shipped", "order.shipped", "case.asked")
    ]
    assert (len(page["parcels"]), len(page["cases"]), page["has_address"]) == (1, 1, True)
    assert HOME["phone"] not in str(page)
    # and only who ships reads where it goes
    path = f"/v1/admin/orders/{order_id}/address"
    assert (await api.get(path, by=api.viewer)).status == 403
    assert (await api.get(path, by=api.boss)).body["address"]["phone"] == HOME["phone"]
    for path in (
        f"/v1/admin/orders/nosuch-{'0' * 16}",
        f"/v1/admin/orders/nosuch-{'0' * 16}/address",
    ):
        assert (await api.get(path, by=api.boss)).code == "unknown_order"


@pytest.mark.parametrize(
    "query",
    [
        "phone=123",
        "phone=12345",
        "status=lost",
        "limit=101",
        "from_ms=-1",
        "after=x",
        "number=a%20b",
    ],
)
async def test_what_cannot_be_looked_for(api: Api, query: str) -> None:
    reply = await api.get(f"/v1/admin/orders?{query}", by=api.viewer)
    assert (reply.status, reply.body["field"]) == (400, query.partition("=")[0])
