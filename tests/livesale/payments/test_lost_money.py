"""Callbacks that never come, gateways that do not answer: the keeper finds the money, in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from livesale.database import engine as database
from livesale.ledger.tables import refunds
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.keeper import Keeper
from livesale.payments.open_prepays import PrepaySettler
from livesale.payments.refund_sender import LONGEST_MS, RefundSender
from livesale.payments.tables import prepays
from livesale.payments.wechat.gateway import WeChatPay
from livesale.resources import Deployment
from livesale.telemetry.workers import KeeperMetrics
from stock.model import HoldState, Reservation
from tests.livesale.payments.shop import Shop, gateway_of
from tests.livesale.stage import running, until_written
from tests.waiting import until

HOLD_MS = 1_500  # enough for the buyer to pay in, on a busy machine


@pytest.fixture
async def gateway(shop: Shop) -> AsyncIterator[WeChatPay]:
    gateway = gateway_of(shop.stage)
    async with gateway.running():
        yield gateway


@asynccontextmanager
async def keeper(shop: Shop, **changes: Any) -> AsyncIterator[CollectorRegistry]:
    """A keeper that runs beside the block, and its metrics."""
    registry = CollectorRegistry()
    stage = with_payments(shop.stage, **changes)
    async with running(Keeper(stage, registry, gateway_of(stage))):
        yield registry


def with_payments(stage: Deployment, **changes: int) -> Deployment:
    settings = stage.settings
    found = settings.payments.model_copy(update=changes)
    return replace(stage, settings=settings.model_copy(update={"payments": found}))


async def find(shop: Shop, rid: str) -> Reservation:
    found = await shop.stage.engine.reservation(rid)
    assert found is not None
    return found


def is_no_longer_held(shop: Shop, *rids: str) -> Callable[[], Awaitable[bool]]:
    async def ended() -> bool:
        found = [await find(shop, rid) for rid in rids]
        return all(reservation.state is not HoldState.HELD for reservation in found)

    return ended


async def state_of(shop: Shop, rid: str) -> str:
    async with database.snapshot(shop.stage.sql) as connection:
        query = select(prepays.c.state).where(prepays.c.order_id == rid)
        return str(await connection.scalar(query))


def is_settled(shop: Shop, rid: str) -> Callable[[], Awaitable[bool]]:
    async def settled() -> bool:
        return await state_of(shop, rid) != "open"

    return settled


def dead(_: web.Request) -> web.Response:
    return web.Response(status=502)


async def test_a_lost_callback(shop: Shop) -> None:
    # given a hold that is paid, and a callback that never comes
    shop.twin.silent = True
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS)
    rid = await shop.begin(drop_id)
    order = shop.twin.pay(rid)
    # when its deadline passes, then it is sold, not expired
    async with keeper(shop):
        await until(is_no_longer_held(shop, rid))
        await until(is_settled(shop, rid))
    found = await find(shop, rid)
    assert (found.state, found.paid_by) == (HoldState.SOLD, order.transaction_id)
    assert await state_of(shop, rid) == "paid"


async def test_what_is_not_paid_is_closed_at_the_gateway_and_then_expires(shop: Shop) -> None:
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS)
    rid = await shop.begin(drop_id)
    async with keeper(shop):
        await until(is_no_longer_held(shop, rid))
    # then nobody can pay it any more, and it was closed before it expired
    assert (await find(shop, rid)).state is HoldState.EXPIRED
    assert (shop.twin.orders[rid].state, await state_of(shop, rid)) == ("CLOSED", "closed")
    reply = await shop.start(rid)
    assert (reply.status, reply.code) == (409, "hold_ended")


async def test_paid_between_the_question_and_the_closing(shop: Shop) -> None:
    # given a buyer who pays at the very moment at which the order is to be closed
    shop.twin.silent = True
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS)
    rid = await shop.begin(drop_id)

    def pay_first(request: web.Request) -> None:
        if request.path.endswith("/close") and shop.twin.orders[rid].state == "NOTPAY":
            shop.twin.pay(rid)

    shop.twin.instead = pay_first
    # when it is swept, then it is sold
    async with keeper(shop):
        await until(is_no_longer_held(shop, rid))
    assert (await find(shop, rid)).state is HoldState.SOLD


async def test_a_silent_gateway_holds_up_nobody_else(shop: Shop) -> None:
    # given a gateway that never answers, a hold whose payment was begun, and many others
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS, allotted=50)
    rid = await shop.begin(drop_id)
    others = [
        str((await shop.api.reserve(drop_id, f"b{n}")).body["reservation_id"]) for n in range(20)
    ]
    silence = asyncio.Event()

    async def never(_: web.Request) -> None:
        await silence.wait()

    shop.twin.instead = never
    async with keeper(shop, grace_ms=60_000):
        # when they are due, then the others expire, and it is held back
        await until(is_no_longer_held(shop, *others))
        assert (await find(shop, rid)).state is HoldState.HELD
    silence.set()


async def test_a_gateway_that_stays_silent_holds_it_back_for_the_grace_only(
    shop: Shop, gateway: WeChatPay
) -> None:
    # given a dead gateway, and one unit that was paid in silence
    shop.twin.silent = True
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS, allotted=1)
    rid = await shop.begin(drop_id)
    shop.twin.pay(rid)
    shop.twin.instead = dead
    # when the grace is over, then it expires
    async with keeper(shop, grace_ms=300) as registry:
        await until(is_no_longer_held(shop, rid))
    assert (await find(shop, rid)).state is HoldState.EXPIRED
    assert registry.get_sample_value("livesale_keeper_unsettled_total") == 1
    # and somebody else buys it
    await shop.hold(drop_id, "bob")
    # when the gateway answers again, and the keeper asks as it does from time to time
    shop.twin.instead = None
    await make_due(shop)
    async with running(Writer(shop.stage)):
        settler = PrepaySettler(shop.stage, gateway, KeeperMetrics(CollectorRegistry()))
        assert await settler.step() == 1
        # then the money that nobody told of goes back
        await until_written(shop.stage)
    async with database.snapshot(shop.stage.sql) as connection:
        found = (await connection.execute(select(refunds.c.order_id, refunds.c.reason))).all()
    assert [tuple(row) for row in found] == [(rid, "too_late")]


async def make_due(shop: Shop) -> None:
    async with database.transaction(shop.stage.sql) as connection:
        await connection.execute(update(prepays).values(next_ms=0))


async def test_money_for_a_hold_that_was_given_back(shop: Shop, gateway: WeChatPay) -> None:
    # given a hold that is given back while its payment is open, and paid all the same
    shop.twin.silent = True
    drop_id = await shop.api.open_drop()
    rid = await shop.begin(drop_id)
    token = shop.api.buyer(await shop.buyer("ann"))
    assert (await shop.api.delete(f"/v1/reservations/{rid}", by=token)).status == 200
    shop.twin.pay(rid)
    # when two keepers come to it, at once
    await make_due(shop)
    settlers = [
        PrepaySettler(shop.stage, gateway, KeeperMetrics(CollectorRegistry())) for _ in range(2)
    ]
    await asyncio.gather(*(settler.step() for settler in settlers))
    # then it is goods again, once
    found = await find(shop, rid)
    assert (found.state, found.refunds) == (HoldState.SOLD, ())
    assert (await shop.api.books(drop_id))["redis"]["sold"] == 1


async def test_without_sql_holds_expire_in_time(shop: Shop) -> None:
    # given a begun payment, and a SQL that is gone
    drop_id = await shop.api.open_drop(hold_ms=HOLD_MS)
    rid = await shop.begin(drop_id)
    async with database.transaction(shop.stage.sql) as connection:
        await connection.exec_driver_sql("ALTER TABLE prepays RENAME TO gone")
    # when it is swept, then it expires as any other
    async with keeper(shop, grace_ms=60_000):
        await until(is_no_longer_held(shop, rid))
    assert (await find(shop, rid)).state is HoldState.EXPIRED


async def test_late_double_and_wrong_callbacks(shop: Shop) -> None:
    # given a bank that says everything three times, late, and at first with a wrong signature
    drop_id = await shop.api.open_drop()
    rid = await shop.begin(drop_id)
    shop.twin.times, shop.twin.late_s = 3, 0.05
    headers, raw = shop.twin.signed(b"{}")
    shop.twin.tell("https://shop.example/v1/payments/wechat/notify", (headers, raw))
    # when the buyer pays
    shop.twin.pay(rid)
    await shop.twin.told()
    # then the wrong ones were refused to the end of the schedule, and the right ones taken in
    assert shop.twin.heard.count(200) == 3
    assert set(shop.twin.heard) == {200, 403}
    assert (await shop.api.books(drop_id))["redis"]["sold"] == 1


async def due_refund(shop: Shop) -> str:
    """One unit, paid by two; the order of the second one, whose money is due back."""
    shop.twin.silent = True
    drop_id = await shop.api.open_drop(allotted=1)
    rid = await shop.begin(drop_id)
    token = shop.api.buyer(await shop.buyer("ann"))
    await shop.api.delete(f"/v1/reservations/{rid}", by=token)
    other = await shop.begin(drop_id, "bob")
    for number in (other, rid):
        shop.twin.pay(number)
        assert (await shop.notify(shop.twin.payment_callback(number))).status == 200
    await until_written(shop.stage)
    return rid


async def refund_of(shop: Shop) -> dict[str, Any]:
    page = (await shop.api.get("/v1/admin/refunds", by=shop.api.viewer)).body["refunds"]
    assert len(page) == 1
    return dict(page[0])


async def test_a_refund_is_sent_until_it_is_taken_on(shop: Shop, gateway: WeChatPay) -> None:
    async with running(Writer(shop.stage)):
        # given money that is due back, and a dead gateway
        rid = await due_refund(shop)
        registry = CollectorRegistry()
        sender = RefundSender(shop.stage, gateway, KeeperMetrics(registry))
        shop.twin.instead = dead
        at_ms = database.now_ms()
        for tries in range(1, 6):
            # when it is tried, then it waits, longer each time
            assert await sender.step(at_ms) == 1
            assert await sender.step(at_ms + 1) == 0
            found = await refund_of(shop)
            assert (found["state"], found["tries"]) == ("sent", tries)
            assert "502" in found["last_error"]
            at_ms += LONGEST_MS
        assert registry.get_sample_value("livesale_refunds_waiting") == 1
        # when the gateway is back, then it is taken on, once
        shop.twin.instead = None
        assert await sender.step(at_ms) == 1
        assert (await refund_of(shop))["state"] == "accepted"
        assert list(shop.twin.orders[rid].refunds) == [(await refund_of(shop))["refund_no"]]
        assert shop.twin.returned_fen == 1_990
        # when its callback comes, then it is back, and the buyer sees it
        shop.twin.silent = False
        shop.twin.end_refund((await refund_of(shop))["refund_no"])
        await shop.twin.told()
        assert set(shop.twin.heard) == {200}
        assert (await refund_of(shop))["state"] == "refunded"
        assert await sender.step(at_ms + 10 * LONGEST_MS) == 0
        token = shop.api.buyer(await shop.buyer("ann"))
        order = (await shop.api.get(f"/v1/orders/{rid}", by=token)).body
        assert [refund["state"] for refund in order["refunds"]] == ["refunded"]
        # and all of it is consistent
        broken = [check for check in await audit(shop.stage) if not check.ok]
        assert broken == []


async def test_two_keepers_send_it_once_at_a_time(shop: Shop, gateway: WeChatPay) -> None:
    async with running(Writer(shop.stage)):
        await due_refund(shop)
        senders = [
            RefundSender(shop.stage, gateway, KeeperMetrics(CollectorRegistry())) for _ in range(4)
        ]
        await asyncio.gather(*(sender.step() for sender in senders))
    assert shop.twin.asked.count("POST /v3/refund/domestic/refunds") == 1
    assert (await refund_of(shop))["state"] == "accepted"


async def test_an_answer_that_was_lost_is_no_second_refund(shop: Shop, gateway: WeChatPay) -> None:
    async with running(Writer(shop.stage)):
        # given a refund that the gateway took on, but whose answer was lost
        await due_refund(shop)
        sender = RefundSender(shop.stage, gateway, KeeperMetrics(CollectorRegistry()))
        shop.twin.spoil = lambda _headers, body: ({}, body)
        at_ms = database.now_ms()
        await sender.step(at_ms)
        assert (await refund_of(shop))["state"] == "sent"
        # when it is sent again, then it is that one
        shop.twin.spoil = None
        await sender.step(at_ms + LONGEST_MS)
    assert (await refund_of(shop))["state"] == "accepted"
    assert shop.twin.returned_fen == 1_990


@pytest.mark.parametrize(("status", "state"), [("ABNORMAL", "failed"), ("CLOSED", "failed")])
async def test_a_refund_that_the_bank_gives_up(
    shop: Shop, gateway: WeChatPay, status: str, state: str
) -> None:
    async with running(Writer(shop.stage)):
        await due_refund(shop)
        registry = CollectorRegistry()
        sender = RefundSender(shop.stage, gateway, KeeperMetrics(registry))
        at_ms = database.now_ms()
        await sender.step(at_ms)
        # when the gateway, asked later, says so
        shop.twin.end_refund((await refund_of(shop))["refund_no"], status)
        await sender.step(at_ms + LONGEST_MS)
    # then it stands there for somebody to look at
    found = await refund_of(shop)
    assert (found["state"], found["last_error"]) == (state, status)
    assert registry.get_sample_value("livesale_refunds_failed") == 1


async def test_refund_callbacks_that_do_not_fit(shop: Shop, gateway: WeChatPay) -> None:
    async with running(Writer(shop.stage)):
        # given a refund on its way
        rid = await due_refund(shop)
        sender = RefundSender(shop.stage, gateway, KeeperMetrics(CollectorRegistry()))
        await sender.step()
    before = await refund_of(shop)
    path = "/v1/payments/wechat/notify/refund"
    shop.twin.orders[rid].refunds[before["refund_no"]]["status"] = "SUCCESS"
    good = shop.twin.refund_callback(rid, before["refund_no"])
    content = {
        "mchid": shop.twin.mchid,
        "transaction_id": before["payment_id"],
        "out_trade_no": rid,
        "refund_id": before["gateway_no"],
        "out_refund_no": before["refund_no"],
        "refund_status": "SUCCESS",
        "amount": {"total": 1_990, "refund": 1_990},
    }
    for field, value in (
        ("mchid", "1900009192"),
        ("transaction_id", "4200000000000000000000000000"),
        ("out_trade_no", f"{rid[:-1]}_"),
        ("out_refund_no", "r0"),
        ("refund_status", "CLOSED"),
        ("amount", {"total": 1_990, "refund": 1_989}),
        ("amount", {"total": 1, "refund": 1}),
        *((name, None) for name in content),
    ):
        # when one field is another, or none
        altered = {name: v for name, v in (content | {field: value}).items() if v is not None}
        reply = await shop.notify(shop.twin.callback("REFUND.SUCCESS", "refund", altered), path)
        # then it is refused
        assert (reply.status, reply.code) == (403, "callback_refused"), (field, value)
    # nor is one taken for the other kind
    assert (await shop.notify(good)).code == "callback_refused"
    assert (await shop.notify(shop.twin.payment_callback(rid), path)).code == "callback_refused"
    assert await refund_of(shop) == before
    assert (await shop.notify(good, path)).status == 200
