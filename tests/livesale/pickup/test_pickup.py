"""Pickup: the nearest stores, a code for each order, clerks with and without a network."""

import hashlib
from typing import Any

import pytest

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.orders.events import events_of
from livesale.pickup.handing import MAX_TRIES
from livesale.pickup.places import Opening, box_around, is_open, metres_of, point_of
from tests.livesale.api import Api, Reply
from tests.livesale.identity.operators.person import Person, come
from tests.livesale.orders.after import order_of, sell, tell_address
from tests.livesale.stage import on_both, running

HOURS = [{"day": day, "opens_min": 540, "closes_min": 1320} for day in range(1, 8)]
STORE: dict[str, Any] = {"title": "Nanshan", "address": "1 Keji Road", "hours": HOURS}
USE = "/v1/admin/pickups/use"


async def add_store(api: Api, store_id: str, lat: float, lng: float, **more: Any) -> Reply:
    body = STORE | {"lat": lat, "lng": lng} | more
    return await api.ask("PUT", f"/v1/admin/pickup-stores/{store_id}", body, by=api.boss)


async def choose(api: Api, order_id: str, store_id: str = "nanshan") -> Reply:
    path = f"/v1/orders/{order_id}/pickup"
    return await api.ask("PUT", path, {"store_id": store_id}, by=api.buyer())


async def waiting(api: Api, orders: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Paid orders that wait in a store, each with its pickup."""
    assert (await add_store(api, "nanshan", 22.54, 113.95)).status == 201
    drop_id = await api.open_drop(buyer_limit=orders)
    async with running(Writer(api.deployment)):
        order_ids = [await sell(api, drop_id) for _ in range(orders)]
    found = [(order_id, await choose(api, order_id)) for order_id in order_ids]
    assert {reply.status for _, reply in found} == {200}, found[0][1].body
    return [(order_id, reply.body) for order_id, reply in found]


async def clerk_of(api: Api, store_id: str, name: str) -> Person:
    return await come(api, name, "clerk", store_id=store_id)


async def kinds(api: Api, order_id: str) -> list[str]:
    async with session(api.deployment.sql) as connection:
        return [event.kind for event in await events_of(connection, order_id)]


@on_both
async def test_the_nearest_stores_come_first(api: Api) -> None:
    # given stores, one of them closed, one beyond the line of dates
    for store_id, lat, lng in (("far", 22.60, 114.10), ("near", 22.541, 113.951)):
        assert (await add_store(api, store_id, lat, lng)).status == 201
    await add_store(api, "shut", 22.5405, 113.9505, state="closed")
    await add_store(api, "fiji", -17.0, -179.99)
    # when somebody looks around
    found = (await api.get("/v1/pickup-stores?lat=22.54&lng=113.95&radius_m=50000")).body["stores"]
    # then the open ones are there, by distance
    assert [near["store"]["store_id"] for near in found] == ["near", "far"]
    assert [near["distance_m"] for near in found] == [151, pytest.approx(16_785, abs=5)]
    # and so is one on the other side of the line; none is out of reach
    over = (await api.get("/v1/pickup-stores?lat=-17&lng=179.99")).body["stores"]
    assert [near["store"]["store_id"] for near in over] == ["fiji"]
    assert not (await api.get("/v1/pickup-stores?lat=0&lng=0")).body["stores"]
    # and who does not say where they are finds a store by its name or its address
    listed = (await api.get("/v1/pickup-stores")).body["stores"]
    assert [one["store"]["store_id"] for one in listed] == ["far", "fiji", "near"]
    assert listed[0]["distance_m"] is None
    for words in ("nanshan", "keji"):
        named = (await api.get(f"/v1/pickup-stores?q={words}")).body["stores"]
        assert len(named) == 3, words
    assert not (await api.get("/v1/pickup-stores?q=nowhere")).body["stores"]
    assert not (await api.get("/v1/pickup-stores?lat=22.54&lng=113.95&q=nowhere")).body["stores"]
    # and what is no place is refused
    assert (await api.get("/v1/pickup-stores?lat=22.54")).body["field"] == "lng"
    assert (await api.get("/v1/pickup-stores?lat=nan&lng=0")).code == "invalid_parameter"
    hours = [HOURS[0], HOURS[0] | {"opens_min": 600}]
    assert (await add_store(api, "bad", 0, 0, hours=hours)).code == "invalid_field"


@on_both
async def test_a_code_is_used_once_by_a_clerk_of_its_store(api: Api) -> None:
    # given a paid order that had an address, and now waits in a store
    [(order_id, pickup)] = await waiting(api)
    assert (await tell_address(api, order_id)).status == 200
    gone = await api.get(f"/v1/orders/{order_id}/pickup", by=api.buyer())
    assert gone.code == "unknown_pickup"
    assert (await choose(api, order_id)).body["code"] != pickup["code"]
    address = await api.get(f"/v1/orders/{order_id}/address", by=api.buyer())
    assert not address.body.get("address")
    path = f"/v1/orders/{order_id}/pickup/code"
    shown = (await api.post(path, by=api.buyer())).body
    assert shown["qr"] == f"livesale-pickup:nanshan:{shown['code']}"
    # when others try: a clerk of another store, an owner, a void code
    await add_store(api, "futian", 22.55, 114.05)
    here, there = await clerk_of(api, "nanshan", "hua"), await clerk_of(api, "futian", "fu")
    for code in (shown["qr"], shown["code"]):
        assert (await there.ask("POST", USE, {"code": code})).code == "wrong_code"
    owner = await api.post(USE, {"code": shown["code"]}, by=api.boss)
    assert owner.code == "not_a_clerk"
    assert (await here.ask("POST", USE, {"code": pickup["code"]})).code == "wrong_code"
    assert (await order_of(api, order_id))["stage"] == "waiting"
    # when the clerk types it, twice with the same key, and once with another
    typed = f"{shown['code'][:5]}-{shown['code'][5:]}".lower()
    key = {"Idempotency_Key": "the-first-try"}
    replies = [await here.ask("POST", USE, {"code": typed}, **key) for _ in range(2)]
    again = await here.ask("POST", USE, {"code": typed})
    # then it is handed out once
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].body == replies[1].body
    assert again.code == "pickup_used"
    order = await order_of(api, order_id)
    assert order["stage"] == "received"
    assert [parcel["method"] for parcel in order["parcels"]] == ["pickup"]
    found = await kinds(api, order_id)
    assert sorted(found[-3:]) == ["order.received", "parcel.received", "pickup.used"]
    # and the buyer sees no code, and can change nothing any more
    assert (await api.get(f"/v1/orders/{order_id}/pickup", by=api.buyer())).body["code"] is None
    assert (await choose(api, order_id, "futian")).code == "already_packed"
    # and who guesses is slowed down
    for _ in range(MAX_TRIES):
        last = await there.ask("POST", USE, {"code": "0000000000"})
    assert last.code == "slow_down"


async def test_a_phone_hands_out_without_network_and_reports_later(api: Api) -> None:
    # given three orders that wait, and a phone with the list
    orders = await waiting(api, 3)
    clerk = await clerk_of(api, "nanshan", "hua")
    page = (await clerk.get("/v1/admin/pickups")).body
    assert {row["order_id"] for row in page["pickups"]} == {order_id for order_id, _ in orders}
    hashes = {row["code_hash"]: row["order_id"] for row in page["pickups"]}
    assert not any(pickup["code"] in str(page) for _, pickup in orders)
    # then it knows a code by its hash
    salt, rounds = page["salt"].encode(), page["rounds"]
    for order_id, pickup in orders:
        told = hashlib.pbkdf2_hmac("sha256", pickup["code"].encode(), salt, rounds).hex()
        assert hashes[told] == order_id
    # when the third was handed out by another clerk meanwhile, and the phone reports twice
    other = await clerk_of(api, "nanshan", "ming")
    await other.ok("POST", USE, {"code": orders[2][1]["code"]})
    codes = [orders[0][1]["code"], orders[1][1]["qr"], orders[2][1]["code"], "0000000000"]
    uses = [
        {"use_id": f"offline-{number}", "code": code, "at_ms": page["taken_ms"]}
        for number, code in enumerate(codes)
    ]
    reports = [
        (await clerk.ok("POST", "/v1/admin/pickups/sync", {"uses": uses}))["uses"] for _ in range(2)
    ]
    # then each row has its verdict, and nothing happens twice
    verdicts = [[row["verdict"] for row in report] for report in reports]
    conflicts = ["pickup_used", "wrong_code"]
    assert verdicts == [["used", "used", *conflicts], ["replayed", "replayed", *conflicts]]
    assert reports[0][2]["used_by"] == "person|ming"
    for order_id, _ in orders:
        assert (await kinds(api, order_id)).count("order.received") == 1
    after = (await clerk.get("/v1/admin/pickups")).body
    assert after["pickups"] == []
    assert after["version"] != page["version"]


@pytest.mark.parametrize("at", [(22.54, 113.95), (60.0, 179.999), (89.99, 10.0), (-45.0, -179.9)])
def test_a_box_has_every_place_within_its_radius(at: tuple[float, float]) -> None:
    box = box_around(*at, 5_000)
    here = point_of(*at)
    for north in range(-12, 13):
        for east in range(-12, 13):
            lat = at[0] + north * 0.005
            lng = (at[1] + east * 0.05 + 180) % 360 - 180
            there = point_of(lat, lng)
            chord = sum((a - b) ** 2 for a, b in zip(here, there, strict=True))
            if lat <= 90 and metres_of(chord) < 5_000:
                assert box.south <= lat <= box.north
                assert any(west <= lng <= to for west, to in box.sides)


def test_hours_are_by_the_clock_of_the_store() -> None:
    friday_9_in_china = 1_764_291_600_000  # 2025-11-28, 09:00 +08:00
    hours = [Opening(5, 540, 600)]
    assert is_open(hours, 480, friday_9_in_china)
    assert not is_open(hours, 480, friday_9_in_china - 60_000)
    assert not is_open(hours, 480, friday_9_in_china + 3_600_000)
    assert not is_open(hours, 0, friday_9_in_china)
