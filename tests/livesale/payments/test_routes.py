"""Paying by the simulated bank: every order of events ends with goods or with a refund."""

import asyncio
from typing import Any

import pytest

from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.livesale.stage import running, until_written


async def held(api: Api, **terms: Any) -> tuple[str, str]:
    drop_id = await api.open_drop(**terms)
    reply = await api.reserve(drop_id)
    return drop_id, str(reply.body["reservation_id"])


async def pay(api: Api, rid: str, **word: Any) -> Any:
    return await api.post(f"/v1/payments/simulated/{rid}", {"outcome": "paid"} | word)


async def state_of(api: Api, rid: str) -> str:
    reply = await api.get(f"/v1/reservations/{rid}", by=api.buyer())
    return str(reply.body["status"])


async def test_a_hold_is_paid(api: Api) -> None:
    # given a hold, and its payment begun
    drop_id, rid = await held(api)
    started = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
    assert started.status == 201
    expires_ms = (await api.get(f"/v1/reservations/{rid}", by=api.buyer())).body["expires_ms"]
    assert started.body == {
        "reservation_id": rid,
        "order_id": rid,
        "gateway": "simulated",
        "amount_fen": 1_990,
        "expires_ms": expires_ms,
        "link": f"/v1/payments/simulated/{rid}",
    }
    # when the bank of the link is played
    paid = await api.post(started.body["link"], {"outcome": "paid"})
    # then it is sold
    assert (paid.status, paid.body["result"]) == (200, "sold")
    assert await state_of(api, rid) == "sold"
    books = await api.books(drop_id)
    assert (books["redis"]["sold"], books["redis"]["held"]) == (1, 0)
    # and there is nothing left to pay
    again = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
    assert (again.status, again.code) == (409, "already_sold")


async def test_the_same_payment_begun_twice_is_one(api: Api) -> None:
    _, rid = await held(api)
    replies = await asyncio.gather(
        *(api.post(f"/v1/reservations/{rid}/payment", by=api.buyer()) for _ in range(10))
    )
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1


async def test_a_payment_that_failed_changes_nothing(api: Api) -> None:
    drop_id, rid = await held(api)
    before = await api.books(drop_id)
    reply = await pay(api, rid, outcome="failed")
    assert (reply.status, reply.body["result"]) == (200, "failed")
    assert await api.books(drop_id) == before


async def test_the_same_transaction_a_hundred_times(api: Api) -> None:
    # given
    drop_id, rid = await held(api)
    # when the bank says it a hundred times at once
    replies = await asyncio.gather(*(pay(api, rid, transaction_id="t-1") for _ in range(100)))
    # then it had one effect
    results = sorted(reply.body["result"] for reply in replies)
    assert results == ["replayed"] * 99 + ["sold"]
    assert (await api.books(drop_id))["redis"]["sold"] == 1


async def test_another_amount(api: Api) -> None:
    drop_id, rid = await held(api)
    before = await api.books(drop_id)
    for amount_fen in (0, 1_989, 1_991, 19_900):
        reply = await pay(api, rid, amount_fen=amount_fen)
        assert (reply.status, reply.code) == (409, "amount_mismatch")
    assert await api.books(drop_id) == before


async def test_a_transaction_of_another_order(api: Api) -> None:
    # given two holds, one paid by t-1 and one not
    drop_id, first = await held(api)
    second = (await api.reserve(drop_id, "bob")).body["reservation_id"]
    assert (await pay(api, first, transaction_id="t-1")).body["result"] == "sold"
    before = await api.books(drop_id)
    # when the same transaction is to pay for the other, under its name or the bank's own
    for transaction_id in ("t-1", f"simulated-{first}"):
        reply = await pay(api, second, transaction_id=transaction_id)
        # then it is refused
        assert (reply.status, reply.code) == (409, "transaction_used")
    assert await api.books(drop_id) == before


async def test_paid_twice_paid_late_and_too_late(api: Api) -> None:
    async with running(Writer(api.deployment)):
        # given one unit, given back
        drop_id, rid = await held(api, allotted=1)
        await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
        begun = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
        assert (begun.status, begun.code) == (409, "hold_ended")
        # when its money comes late, then the unit is taken again
        assert (await pay(api, rid, transaction_id="t-1")).body["result"] == "late_sold"
        # when it is paid once more, then that money goes back
        for _ in range(2):
            reply = await pay(api, rid, transaction_id="t-2")
            assert reply.body["result"] == "refund_due"
        await until_written(api.deployment)
    # then both sides and the buyer see it so
    books = await api.books(drop_id)
    assert (books["ok"], books["sql"]["sold"]) == (True, 1)
    refunds = (await api.get("/v1/admin/refunds", by=api.viewer)).body["refunds"]
    assert [(r["payment_id"], r["state"], r["reason"]) for r in refunds] == [
        ("t-2", "due", "paid_twice")
    ]
    order = (await api.get(f"/v1/orders/{rid}", by=api.buyer())).body
    assert (order["status"], order["payment"]) == ("sold", "paid")
    assert [(r["amount_fen"], r["state"]) for r in order["refunds"]] == [(1_990, "due")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({"outcome": "maybe"}, "outcome"),
        ({"outcome": "paid", "amount_fen": -1}, "amount_fen"),
        ({"outcome": "paid", "amount_fen": "1990"}, "amount_fen"),
        ({"outcome": "paid", "transaction_id": ""}, "transaction_id"),
        ({"outcome": "paid", "transaction_id": "a|b"}, "transaction_id"),
        ({"outcome": "paid", "transaction_id": "a\n"}, "transaction_id"),
        ({"outcome": "paid", "transaction_id": "x" * 65}, "transaction_id"),
        ({"outcome": "paid", "currency": "CNY"}, "currency"),
    ],
)
async def test_what_the_bank_cannot_mean(api: Api, body: dict[str, Any], field: str) -> None:
    drop_id, rid = await held(api)
    before = await api.books(drop_id)
    reply = await api.post(f"/v1/payments/simulated/{rid}", body)
    assert (reply.status, reply.body["field"]) == (422, field)
    assert await api.books(drop_id) == before


async def test_what_nobody_holds(api: Api) -> None:
    for rid in ("nosuch-0123456789abcdef", "x"):
        assert (await pay(api, rid)).code == "unknown_reservation"


async def test_nobody_pays_for_others(api: Api) -> None:
    _, rid = await held(api)
    reply = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer("bob"))
    assert (reply.status, reply.code) == (404, "unknown_reservation")


async def test_a_hold_over_its_deadline(api: Api) -> None:
    # given a hold that is over, and no keeper that has noticed
    _, rid = await held(api, hold_ms=1)
    await asyncio.sleep(0.02)
    # when, then
    reply = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
    assert (reply.status, reply.code) == (409, "hold_ended")


async def test_refunds_by_an_operator(api: Api) -> None:
    async with running(Writer(api.deployment)):
        # given a sold order, and one that is only held
        drop_id, rid = await held(api)
        other = (await api.reserve(drop_id, "bob")).body["reservation_id"]
        await pay(api, rid, transaction_id="t-1")
        await until_written(api.deployment)
        path = f"/v1/admin/orders/{rid}/refund"
        # when part of it, or what was never paid, or what nobody ordered, is to go back
        for body, target, code in (
            ({"reason": "broken", "amount_fen": 1_989}, path, "partial_refund"),
            ({"reason": "broken"}, f"/v1/admin/orders/{other}/refund", "not_paid"),
        ):
            reply = await api.post(target, body, by=api.boss)
            assert (reply.status, reply.code) == (409, code)
        reply = await api.post(
            "/v1/admin/orders/nosuch-0123456789abcdef/refund", {"reason": "x"}, by=api.boss
        )
        assert reply.code == "unknown_order"
        # when all of it is to go back, five times at once
        replies = await asyncio.gather(
            *(api.post(path, {"reason": "broken"}, by=api.boss) for _ in range(5))
        )
        # then one of them was heard
        assert sorted(reply.status for reply in replies) == [201] + [409] * 4
        assert {r.code for r in replies if r.status == 409} == {"already_refunded"}
        made = next(reply.body for reply in replies if reply.status == 201)
        assert (made["state"], made["reason"], made["note"]) == ("due", "operator", "broken")
        # and no stock came back by it
        books = await api.books(drop_id)
        assert (books["redis"]["sold"], books["ok"]) == (1, True)


async def test_pages_of_refunds(api: Api) -> None:
    async with running(Writer(api.deployment)):
        _, rid = await held(api)
        for number in range(4):
            await pay(api, rid, transaction_id=f"t-{number}")
        await until_written(api.deployment)
    seen, after = [], ""
    while True:
        page = (await api.get(f"/v1/admin/refunds?limit=2&after={after}", by=api.viewer)).body
        seen += [refund["payment_id"] for refund in page["refunds"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert sorted(seen) == ["t-1", "t-2", "t-3"]
    empty = await api.get("/v1/admin/refunds?state=refunded", by=api.viewer)
    assert empty.body == {"refunds": [], "next": None}
    assert (await api.get("/v1/admin/refunds?state=lost", by=api.viewer)).status == 400


async def test_the_routes_of_the_gateway_that_is_not_in_use(stage: Deployment, api: Api) -> None:
    for path in ("/v1/payments/wechat/notify", "/v1/payments/wechat/notify/refund"):
        reply = await api.post(path, {"id": "x"})
        assert (reply.status, reply.code) == (404, "gateway_off")


async def test_without_sql_nothing_new_can_be_paid_but_what_was_begun(
    stage: Deployment, serve: Serve
) -> None:
    # given a hold on a deployment whose SQL is gone
    api = await serve(stage)
    _, rid = await held(api)
    await stage.sql.dispose()
    path = stage.sql.url.database
    assert path
    async with stage.sql.connect() as connection:
        await connection.exec_driver_sql("ALTER TABLE prepays RENAME TO gone")
        await connection.commit()
    # when its payment is to begin, then it cannot be noted, so it does not
    reply = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
    assert (reply.status, reply.code) == (503, "store_unavailable")
    # when money comes all the same, then it buys the goods
    assert (await pay(api, rid)).body["result"] == "sold"
