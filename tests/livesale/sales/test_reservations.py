"""POST /v1/drops/{id}/reservations, GET and DELETE /v1/reservations/{id}."""

import asyncio

import pytest
from sqlalchemy import insert

from livesale.database.engine import transaction
from livesale.database.errors import StoreUnavailable
from livesale.ledger.tables import orders
from livesale.ledger.writer import Writer
from livesale.payments.keeper import Keeper
from livesale.sales import reservations
from livesale.sales.archive import Archiver
from stock.ids import random_rid
from tests.livesale.api import FAR_MS, Api, timeless
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.stage import PARTITIONS, running, until_written
from tests.waiting import until

FULL = {"allotted": 10, "available": 10, "held": 0, "sold": 0, "burned": 0}


async def test_reserving_answers_201_with_the_contract_fields(api: Api) -> None:
    # given
    drop_id = await api.open_drop(hold_ms=60_000)
    before_ms = await api.deployment.engine.now_ms()
    # when
    reply = await api.reserve(drop_id, quantity=2)
    # then
    body = reply.body
    assert reply.status == 201
    assert before_ms + 60_000 <= body.pop("expires_ms") <= before_ms + 120_000
    assert before_ms <= body.pop("server_ms") + 1_000 <= before_ms + 60_000
    assert body.pop("reservation_id") == body.pop("order_id")
    assert body == {
        "drop_id": drop_id,
        "status": "held",
        "quantity": 2,
        "amount_fen": 3_980,
        "remaining": 8,
        "room_id": None,
    }
    assert (await api.books(drop_id))["redis"] == FULL | {"available": 8, "held": 2}


async def test_an_empty_body_asks_for_one_unit(api: Api) -> None:
    drop_id = await api.open_drop()
    reply = await api.post(f"/v1/drops/{drop_id}/reservations", by=api.buyer())
    assert (reply.status, reply.body["quantity"]) == (201, 1)


async def test_a_retry_with_the_same_key_is_the_same_reservation(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    first = await api.reserve(drop_id, quantity=2, key="k-1")
    await api.reserve(drop_id, "bob")
    # when
    second = await api.reserve(drop_id, quantity=2, key="k-1")
    # then: the same, but for what is left now
    assert (first.status, second.status) == (201, 200)
    assert timeless(second.body) == timeless(first.body | {"remaining": 7})
    assert (await api.books(drop_id))["redis"] == FULL | {"available": 7, "held": 3}


async def test_a_client_that_is_gone_before_the_answer_has_one_effect(api: Api) -> None:
    # given: buyers who ask and hang up at once
    drop_id = await api.open_drop(allotted=50)
    names = [f"buyer-{number}" for number in range(20)]
    for name in names:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(
            f"POST /v1/drops/{drop_id}/reservations HTTP/1.1\r\nHost: a\r\n"
            f"Authorization: Bearer {api.buyer(name)}\r\nIdempotency-Key: k\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.transport.abort()
    # when: they come back with their keys, twice
    replies = [await api.reserve(drop_id, name, key="k") for name in [*names, *names]]
    # then: whether the first one landed or not, each has one unit
    assert {reply.status for reply in replies[:20]} <= {200, 201}
    assert {reply.status for reply in replies[20:]} == {200}
    assert len({reply.body["reservation_id"] for reply in replies}) == 20
    assert (await api.books(drop_id))["redis"]["held"] == 20


async def test_a_key_is_the_buyers_own(api: Api) -> None:
    drop_id = await api.open_drop()
    one = await api.reserve(drop_id, "ann", key="same")
    two = await api.reserve(drop_id, "bob", key="same")
    assert (one.status, two.status) == (201, 201)
    assert one.body["reservation_id"] != two.body["reservation_id"]


async def test_a_key_with_another_quantity_is_a_conflict(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    await api.reserve(drop_id, quantity=1, key="k")
    before = await api.books(drop_id)
    # when
    reply = await api.reserve(drop_id, quantity=2, key="k")
    # then
    assert (reply.status, reply.code) == (422, "idempotency_conflict")
    assert await api.books(drop_id) == before


async def test_a_replay_after_the_hold_has_ended_tells_how_it_ended(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    first = await api.reserve(drop_id, key="k")
    await api.delete(f"/v1/reservations/{first.body['reservation_id']}", by=api.buyer())
    # when
    reply = await api.reserve(drop_id, key="k")
    # then
    assert (reply.status, reply.body["status"]) == (200, "released")
    assert (await api.books(drop_id))["redis"] == FULL


async def test_sold_out_says_what_is_left(api: Api) -> None:
    # given
    drop_id = await api.open_drop(allotted=3)
    await api.reserve(drop_id, "ann", 2)
    before = await api.books(drop_id)
    # when
    reply = await api.reserve(drop_id, "bob", 2)
    # then: two are not there, one still is
    assert (reply.status, reply.code, reply.body["remaining"]) == (409, "sold_out", 1)
    assert await api.books(drop_id) == before
    assert (await api.reserve(drop_id, "bob", 1)).status == 201
    assert (await api.reserve(drop_id, "cyd", 1)).code == "sold_out"


async def test_a_retry_is_answered_under_the_sold_out_flag(api: Api) -> None:
    drop_id = await api.open_drop(allotted=1)
    first = await api.reserve(drop_id, "ann", key="k")
    assert (await api.reserve(drop_id, "bob", key="k")).code == "sold_out"
    again = await api.reserve(drop_id, "ann", key="k")
    assert (again.status, timeless(again.body)) == (200, timeless(first.body))


async def test_one_buyer_has_a_limit(api: Api) -> None:
    # given
    drop_id = await api.open_drop(buyer_limit=3)
    await api.reserve(drop_id, quantity=2)
    before = await api.books(drop_id)
    # when
    reply = await api.reserve(drop_id, quantity=2)
    # then
    assert (reply.status, reply.code) == (403, "over_limit")
    assert await api.books(drop_id) == before


async def test_a_buyer_who_lets_holds_expire_is_barred(api: Api) -> None:
    # given
    drop_id = await api.open_drop(hold_ms=1, expired_limit=1)
    rid = (await api.reserve(drop_id)).body["reservation_id"]

    async def expired() -> bool:
        return (await api.get(f"/v1/reservations/{rid}", by=api.buyer())).body[
            "status"
        ] == "expired"

    async with running(Keeper(api.deployment)):
        await until(expired)
    # when
    reply = await api.reserve(drop_id)
    # then
    assert (reply.status, reply.code) == (403, "barred")
    assert (await api.books(drop_id))["redis"] == FULL


async def test_before_the_opening(api: Api) -> None:
    # given: opened by the operator, not yet by the clock
    drop_id = await api.open_drop(opens_ms=FAR_MS - 1_000, closes_ms=FAR_MS)
    before = await api.books(drop_id)
    before_ms = await api.deployment.engine.now_ms()
    # when
    reply = await api.reserve(drop_id)
    # then
    assert (reply.status, reply.code) == (425, "not_open")
    assert reply.body["opens_ms"] == FAR_MS - 1_000
    assert before_ms <= reply.body["server_ms"] + 1_000 <= before_ms + 60_000
    assert await api.books(drop_id) == before


async def test_a_draft_is_not_open_yet(api: Api) -> None:
    long_ago_ms = 1_500_000_000_000
    drop = await api.create_drop(opens_ms=long_ago_ms)
    reply = await api.reserve(drop["drop_id"])
    assert (reply.status, reply.code, reply.body["opens_ms"]) == (425, "not_open", long_ago_ms)


async def test_after_the_closing_time(api: Api) -> None:
    drop_id = await api.open_drop(closes_ms=1_500_000_000_000)
    reply = await api.reserve(drop_id)
    assert (reply.status, reply.code) == (410, "closed")


@pytest.mark.parametrize(
    ("verb", "status", "code"), [("pause", 409, "paused"), ("close", 410, "closed")]
)
async def test_a_drop_that_is_not_selling(api: Api, verb: str, status: int, code: str) -> None:
    # given
    drop_id = await api.open_drop()
    await api.post(f"/v1/admin/drops/{drop_id}/{verb}", by=api.boss)
    # when
    reply = await api.reserve(drop_id)
    # then
    assert (reply.status, reply.code) == (status, code)
    assert (await api.books(drop_id))["redis"] == FULL


@pytest.mark.parametrize("drop_id", ["nosuchdrop", "NO-ID", "0123456789abcdefg", "a%20b", "%00"])
async def test_an_unknown_drop(api: Api, drop_id: str) -> None:
    reply = await api.post(f"/v1/drops/{drop_id}/reservations", {"quantity": 1}, by=api.buyer())
    assert (reply.status, reply.code) == (404, "unknown_drop")


async def test_a_crowd_gets_what_there_is_and_no_more(api: Api) -> None:
    # given
    drop_id = await api.open_drop(allotted=10)
    # when
    replies = await asyncio.gather(*(api.reserve(drop_id, f"b{n}") for n in range(40)))
    # then
    assert sorted(reply.status for reply in replies) == [201] * 10 + [409] * 30
    assert (await api.books(drop_id))["redis"] == FULL | {"available": 0, "held": 10}


async def test_the_owner_sees_the_reservation(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    made = (await api.reserve(drop_id, quantity=2)).body
    # when
    reply = await api.get(f"/v1/reservations/{made['reservation_id']}", by=api.buyer())
    # then
    del made["remaining"]
    assert (reply.status, timeless(reply.body)) == (200, timeless(made | {"price_fen": 1_990}))
    assert reply.body["server_ms"] >= made["server_ms"]


async def test_a_reservation_is_shown_while_sql_is_away(api: Api) -> None:
    # given two drops, of which one was sold before
    seen, unseen = await api.open_drop(), await api.open_drop()
    await api.reserve(seen)
    # when
    await break_sql(api)
    # then what SQL said is known still, and what it was not asked is not made up
    made = [await api.reserve(drop_id, "bob") for drop_id in (seen, unseen)]
    paths = [f"/v1/reservations/{reply.body['reservation_id']}" for reply in made]
    shown = [await api.get(path, by=api.buyer("bob")) for path in paths]
    for first, second in (made, shown):
        assert (first.body["status"], first.body["room_id"]) == ("held", None)
        assert second.body["status"] == "held"
        assert "room_id" not in second.body


@pytest.mark.parametrize("hangs", [True, False])
async def test_sql_that_does_not_answer_costs_no_reservation(
    api: Api, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    # given an SQL that does not say which room a drop has
    drop_id, asked, over = await api.open_drop(), [], asyncio.Event()

    async def find(_connection: object, drop_id: str) -> None:
        asked.append(drop_id)
        if hangs:
            await over.wait()
        raise StoreUnavailable("away")

    monkeypatch.setattr(reservations, "find_drop", find)
    # when four buyers come, one after the other
    replies = [await api.reserve(drop_id, f"b{number}") for number in range(4)]
    # then all have their units, and only the first one asked
    assert [reply.status for reply in replies] == [201] * 4
    assert not any("room_id" in reply.body for reply in replies)
    assert asked == [drop_id]
    over.set()


async def test_a_reservation_that_only_sql_knows_is_shown_from_there(api: Api) -> None:
    # given: an order of a drop that Redis no longer has
    rid = random_rid("archived")
    row = {
        "order_id": rid,
        "drop_id": "archived",
        "buyer_id": "ann",
        "quantity": 2,
        "price_fen": 5,
        "amount_fen": 10,
        "state": "expired",
        "expires_ms": 9,
        "created_ms": 1,
        "updated_ms": 2,
    }
    async with transaction(api.deployment.sql) as connection:
        await connection.execute(insert(orders), row)
    # when
    reply = await api.get(f"/v1/reservations/{rid}", by=api.buyer("ann"))
    # then
    assert reply.status == 200
    assert timeless(reply.body) == {
        "reservation_id": rid,
        "order_id": rid,
        "drop_id": "archived",
        "status": "expired",
        "quantity": 2,
        "price_fen": 5,
        "amount_fen": 10,
        "expires_ms": 9,
        "room_id": None,
    }
    # and: releasing it changes nothing more
    again = await api.delete(f"/v1/reservations/{rid}", by=api.buyer("ann"))
    assert (again.status, again.body["status"]) == (200, "expired")


async def test_giving_back_puts_the_units_on_sale_again_once(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    rid = (await api.reserve(drop_id, quantity=3)).body["reservation_id"]
    # when
    first = await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    second = await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    # then
    assert (first.status, first.body["status"]) == (200, "released")
    assert (second.status, timeless(second.body)) == (200, timeless(first.body))
    assert (await api.books(drop_id))["redis"] == FULL


async def test_what_is_paid_for_cannot_be_given_back(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    await api.deployment.engine.confirm(rid, "payment", 1_990)
    # when
    reply = await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    # then
    assert (reply.status, reply.code) == (409, "already_sold")
    assert (await api.books(drop_id))["redis"] == FULL | {"available": 9, "sold": 1}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("rid", ["nosuch", "x-0123456789abcde", "drop-0123456789abcdef"])
async def test_an_unknown_reservation(api: Api, method: str, rid: str) -> None:
    reply = await api.ask(method, f"/v1/reservations/{rid}", by=api.buyer())
    assert (reply.status, reply.code) == (404, "unknown_reservation")


async def test_orders_stand_in_sql_a_moment_later(api: Api) -> None:
    # given
    drop_id = await api.open_drop(buyer_limit=10)
    made = [(await api.reserve(drop_id)).body for _ in range(5)]
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    # when: pages of two
    pages, after = [], ""
    while True:
        page = await api.get(f"/v1/orders?limit=2&after={after}", by=api.buyer())
        assert page.status == 200
        pages.append(page.body["orders"])
        after = page.body["next"]
        if after is None:
            break
    # then: each once, the newest first, each as its own page shows it
    found = [order for page in pages for order in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {order["order_id"] for order in found} == {body["order_id"] for body in made}
    created = [(order["created_ms"], order["order_id"]) for order in found]
    assert created == sorted(created, reverse=True)
    for order in found:
        one = await api.get(f"/v1/orders/{order['order_id']}", by=api.buyer())
        assert (one.status, one.body) == (200, order)
    order = found[0]
    assert (order["status"], order["amount_fen"], order["drop_id"]) == ("held", 1_990, drop_id)


@pytest.mark.parametrize("order_id", ["nosuch", "drop-0123456789abcdef"])
async def test_an_unknown_order(api: Api, order_id: str) -> None:
    reply = await api.get(f"/v1/orders/{order_id}", by=api.buyer())
    assert (reply.status, reply.code) == (404, "unknown_order")


async def test_a_late_retry_gets_its_first_answer(api: Api) -> None:
    # given a reservation with a key, in a drop that was archived since
    drop_id = await api.open_drop()
    first = await api.reserve(drop_id, key="k1")
    rid = first.body["reservation_id"]
    await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    for number in range(PARTITIONS):
        archiver = Archiver(api.deployment, number)
        archiver._after_ms = -4_000_000_000_000
        await archiver.archive()
    assert await api.deployment.redis.keys(f"*{drop_id}*") == []
    # then a retry, a look and another buyer are answered from SQL
    again = await api.reserve(drop_id, key="k1")
    assert (again.status, again.body["reservation_id"], again.body["status"]) == (
        200,
        rid,
        "released",
    )
    assert (await api.get(f"/v1/reservations/{rid}", by=api.buyer())).status == 200
    assert (await api.reserve(drop_id, "bob")).code == "closed"
    assert (await api.books(drop_id))["ok"]
