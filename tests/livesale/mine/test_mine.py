"""What a buyer has: from both stores, and from each of them alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from livesale.app import build_app
from livesale.database.session import session
from livesale.ledger import tables as ledger
from livesale.ledger.writer import Writer
from livesale.mine import unsaved
from livesale.mine.unsaved import UnsavedReservations
from livesale.reminders.tables import reminders
from livesale.resources import Deployment
from livesale.rooms.bags.tables import bag_prizes, bags
from stock.connection import connect
from stock.ids import drop_of
from tests.livesale.api import FAR_MS, Api
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.orders.after import sell
from tests.livesale.reminders.conftest import flags_for
from tests.livesale.stage import on_mariadb, open_drop, open_stage, reserve, running, until_written
from tests.servers import Valkey

FLAGS = flags_for("http://127.0.0.1:9")  # WeChat is not asked
PICTURE = "https://img.example/tea.jpg"


@pytest.fixture
async def stage(request: Any, redis: Any, redis_server: Any, tmp_path: Any) -> Any:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    async with open_stage(redis, redis_server.url, url, tmp_path, **FLAGS) as stage:
        yield stage


async def overview(api: Api, buyer: str = "ann") -> dict[str, Any]:
    reply = await api.get("/v1/me/overview", by=api.buyer(buyer))
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def page(api: Api, what: str, query: str = "", buyer: str = "ann") -> dict[str, Any]:
    reply = await api.get(f"/v1/me/{what}{query}", by=api.buyer(buyer))
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def drop_of_product(api: Api) -> str:
    """A drop on sale, whose SKU is of a product with a picture."""
    body = {"title": "Oolong", "pictures": [{"url": PICTURE}]}
    product = await api.post("/v1/admin/products", body, by=api.boss)
    assert product.status == 201, product.body
    sku = await api.post(
        "/v1/admin/skus",
        {
            "title": "Oolong 100 g",
            "price_fen": 1_990,
            "product_id": product.body["product"]["product_id"],
            "attributes": [{"name": "Size", "value": "100 g"}],
        },
        by=api.boss,
    )
    assert sku.status == 201, sku.body
    return await api.open_drop(sku_id=sku.body["sku_id"])


async def win(api: Api, bag_id: str, **changes: Any) -> None:
    """A coupon of a lucky bag that ann won."""
    bag = {
        "bag_id": bag_id,
        "room_id": "r1",
        "title": "Luck",
        "state": "settled",
        "coupon": "20 off",
        "drawn_ms": 5,
        **dict.fromkeys(("places", "stay_ms", "claim_ms", "draws_ms", "created_ms"), 1),
        **dict.fromkeys(("seed", "salt", "commitment"), ""),
    }
    prize = {
        "bag_id": bag_id,
        "place": 1,
        "entry_id": "e1",
        "buyer_id": "ann",
        "state": "given",
        "code": "SECRET",
        "claim_by_ms": FAR_MS,
    }
    async with session(api.deployment.sql, write=True) as connection:
        await connection.execute(insert(bags), bag)
        await connection.execute(insert(bag_prizes), prize | changes)


@on_mariadb
async def test_everything_of_a_buyer_is_in_one_call(api: Api, stage: Deployment) -> None:
    # given a buyer with a hold, a paid order whose money goes back in part, a coupon, a reminder
    drop_id = await drop_of_product(api)
    coming = str((await api.create_drop(opens_ms=FAR_MS - 1))["drop_id"])
    reminder = {
        **{"kind": "drop", "target_id": coming, "buyer_id": "ann", "state": "waiting"},
        **{"begins_ms": 0, "claim": "", "tries": 0, "next_ms": 0, "detail": ""},
        **{"created_ms": 1, "updated_ms": 1},
    }
    async with running(Writer(stage)):
        sold = await sell(api, drop_id)
        part = {"reason": "broken", "amount_fen": 500, "refund_id": "half"}
        refund = await api.post(f"/v1/admin/orders/{sold}/refund", part, by=api.boss)
        assert refund.status == 201, refund.body
        held = (await api.reserve(drop_id)).body
        await sell(api, drop_id, "bob")
        await win(api, "b1")
        async with session(stage.sql, write=True) as connection:
            await connection.execute(insert(reminders), reminder)
        # when
        mine = await overview(api)
    # then it is all there, with titles and pictures
    goods = mine["holds"][0]["goods"]
    assert (goods["title"], goods["picture"]["url"]) == ("Oolong 100 g", PICTURE)
    assert goods["attributes"] == [{"name": "Size", "value": "100 g"}]
    [hold] = mine["holds"]
    assert hold["reservation_id"] == held["reservation_id"]
    assert 0 < hold["left_ms"] == hold["expires_ms"] - mine["server_ms"]
    [limit] = mine["limits"]
    assert (limit["buyer_limit"], limit["units"], limit["left"]) == (3, 2, 1)
    orders = {order["order_id"]: order for order in mine["orders"]["orders"]}
    assert list(orders) == [held["reservation_id"], sold]
    shown = orders[sold]
    assert (shown["status"], shown["payment"], shown["stage"]) == ("sold", "paid", "waiting")
    assert (shown["back_fen"], shown["refunded_fen"]) == (500, 0)
    [money] = mine["refunds"]["refunds"]
    assert (money["order_id"], money["amount_fen"], money["state"]) == (sold, 500, "due")
    assert money["goods"] == goods
    # and everybody sees what a drop sells, one entry for each id
    everybody = await api.get(f"/v1/goods?drops={drop_id},strange,{drop_id}")
    assert [one["title"] for one in everybody.body["goods"]] == ["Oolong 100 g", None]
    assert everybody.body["goods"][0] == goods
    [coupon] = mine["coupons"]["coupons"]
    assert (coupon["coupon"], coupon["state"], coupon["code"]) == ("20 off", "held", None)
    [waiting] = mine["reminders"]
    assert (waiting["title"], waiting["target_id"]) == ("Tea", coming)
    assert mine["missing"] == []
    assert mine["orders"]["complete"]
    # and nothing of it is anybody else's
    others = await overview(api, "eve")
    assert [others[name] for name in ("holds", "limits", "reminders")] == [[], [], []]
    assert [others[name][name] for name in ("orders", "refunds", "coupons")] == [[], [], []]


async def test_a_new_hold_is_seen_before_the_writer_has_it_and_once_after(
    api: Api, stage: Deployment
) -> None:
    # given a hold, and no writer
    drop_id = await api.open_drop()
    rid = (await api.reserve(drop_id, quantity=2)).body["reservation_id"]
    [order] = (await page(api, "orders"))["orders"]
    assert (order["order_id"], order["status"], order["saved"]) == (rid, "held", False)
    assert (order["payment"], order["goods"]["title"]) == (None, "Tea")
    # when the writer comes
    async with running(Writer(stage)):
        await until_written(stage)
    # then it is there once
    found = await page(api, "orders")
    assert [(one["order_id"], one["saved"]) for one in found["orders"]] == [(rid, True)]
    # and when it is given back, which SQL does not know, then Redis decides
    await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    mine = await overview(api)
    assert (mine["holds"], mine["orders"]["orders"][0]["status"]) == ([], "released")
    assert [(one["units"], one["left"]) for one in mine["limits"]] == [(0, 3)]


async def test_a_new_hold_is_seen_while_sql_is_away(api: Api, stage: Deployment) -> None:
    # given a worker that has shown a drop, and an order that only SQL has
    drop_id = await api.open_drop()
    async with running(Writer(stage)):
        old = (await api.reserve(drop_id)).body["reservation_id"]
        await until_written(stage)
    await overview(api)
    # when SQL goes away, and ann reserves
    await break_sql(api)
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    await api.reserve(drop_id, "bob")
    mine = await overview(api)
    # then the hold is there, what is missing is named, and the limit is right
    assert rid in [one["reservation_id"] for one in mine["holds"]]
    assert mine["holds"][0]["goods"]["title"] == "Tea"
    assert (mine["limits"][0]["units"], mine["limits"][0]["left"]) == (2, 1)
    assert mine["missing"] == ["orders", "refunds", "coupons", "reminders"]
    assert not mine["orders"]["complete"]
    found = await page(api, "orders")
    assert found["orders"] == mine["orders"]["orders"]
    assert not found["complete"]
    assert {one["order_id"] for one in found["orders"]} <= {rid, old}
    # and it is seen how it goes on
    await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    await asyncio.sleep(0)
    states = {one["order_id"]: one["status"] for one in (await page(api, "orders"))["orders"]}
    assert states[rid] == "released"
    # but what only SQL has is not made up
    reply = await api.get("/v1/me/refunds", by=api.buyer())
    assert reply.code == "store_unavailable"


async def test_lists_go_on_page_by_page(api: Api, stage: Deployment) -> None:
    # given five of each
    async with session(stage.sql, write=True) as connection:
        for number in range(5):
            rid = f"d{number}-{'x' * 16}"
            order = {
                **{"order_id": rid, "drop_id": f"d{number}", "buyer_id": "ann", "quantity": 1},
                **{"price_fen": 5, "amount_fen": 5, "state": "sold", "expires_ms": 9},
                **{"created_ms": 1, "updated_ms": 2},
            }
            await connection.execute(insert(ledger.orders), order)
            refund = {
                **{"refund_no": f"r{number}", "payment_id": f"p{number}", "order_id": rid},
                **{"amount_fen": 5, "state": "refunded", "created_ms": 1, "reason": "too_late"},
            }
            await connection.execute(insert(ledger.refunds), refund)
    for number in range(5):
        await win(api, f"b{number}", claimed_ms=4 if number == 3 else None)
    for what, key in (("orders", "order_id"), ("refunds", "refund_no"), ("coupons", "bag_id")):
        # when they are read in pages of two
        seen: list[str] = []
        after: str | None = ""
        for _ in range(3):
            found = await page(api, what, f"?limit=2&after={after}")
            seen += [one[key] for one in found[what]]
            after = found["next"]
        # then each comes once, the newest first
        assert (len(set(seen)), after) == (5, None)
        assert seen == sorted(seen, reverse=True)
    codes = [one["code"] for one in (await page(api, "coupons"))["coupons"]]
    assert codes == [None, "SECRET", None, None, None]  # of the one that is claimed
    for what in ("orders", "refunds", "coupons"):
        reply = await api.get(f"/v1/me/{what}?after=%20", by=api.buyer())
        assert (reply.status, reply.code) == (400, "invalid_parameter")


async def test_the_newest_reservations_are_kept_and_what_is_left_out_is_said(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given more reservations in the log than a worker keeps, and no writer
    monkeypatch.setattr(unsaved, "MAX_ROWS", 3)
    drop_id = await open_drop(stage)
    rids = [(await reserve(stage, drop_id, [name]))[0] for name in ("ann", "bob", "cat", "dan")]
    seen = UnsavedReservations(stage)
    # then the oldest is gone, and nobody is told that everything is there
    first, last = await seen.of("ann"), await seen.of("dan")
    assert (first.reservations, first.whole, last.whole) == ([], False, False)
    assert [one.reservation.rid for one in last.reservations] == [rids[3]]
    # when SQL has them, then nothing is kept, and nothing is missing
    async with running(Writer(stage)):
        await until_written(stage)
    assert (await seen.of("dan")).whole
    assert len(seen) == 0
    # and a late one is found
    [rid] = await reserve(stage, drop_id, ["eve"])
    found = await seen.of("eve")
    assert [drop_of(one.reservation.rid) for one in found.reservations] == [drop_of(rid)]


@pytest.fixture
def mortal_redis() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.remove()


async def test_orders_are_shown_while_redis_is_away(
    mortal_redis: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    # given an order in SQL
    redis = connect(mortal_redis.url, connections=16)
    async with open_stage(redis, mortal_redis.url, sqlite_url, tmp_path, **FLAGS) as stage:
        api = Api(build_app(stage), stage)
        await api.start()
        drop_id = await api.open_drop()
        async with running(Writer(stage)):
            rid = await sell(api, drop_id)
        # when Redis goes away
        mortal_redis.kill()
        mine = await overview(api)
        # then the order is there still, and what is missing is named
        [order] = mine["orders"]["orders"]
        assert (order["order_id"], order["status"], order["saved"]) == (rid, "sold", True)
        assert mine["missing"] == ["reservations", "limits"]
        assert not mine["orders"]["complete"]
        # and when SQL goes, too, then nothing is made up
        await break_sql(api)
        assert (await api.get("/v1/me/overview", by=api.buyer())).code == "store_unavailable"
        await api.stop()
    await redis.aclose()
