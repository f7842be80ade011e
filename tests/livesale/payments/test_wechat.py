"""Our side of WeChat Pay's API, against a server that checks what the real one checks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from livesale.identity.buyer_ids import wechat_buyer_id
from livesale.payments.errors import GatewayRefused, GatewayUnavailable, GatewayUnknown
from livesale.payments.gateway import (
    Payment,
    PaymentOrder,
    RefundAnswer,
    RefundOrder,
    RefundState,
    Trade,
    TradeState,
)
from livesale.payments.wechat.gateway import WeChatPay, rfc3339
from livesale.settings import load_settings
from livesale.settings.wechat_keys import load_keys
from tests.livesale.payments.shop import APPID, new_twin, wechat_flags
from tests.twins.wechat_pay import Callback, WeChatPayTwin
from tests.twins.wechat_pay_crypto import rsa_key, signature_headers

RID = "0fxr3n5q2k7ma-AbCdEf0123456_-9"
ORDER = PaymentOrder(RID, 1_990, 1_795_000_000_999, "龙井 Tea", "o-ann")
UNPAID, CLOSED = Trade(TradeState.UNPAID), Trade(TradeState.CLOSED)


@pytest.fixture
async def twin() -> AsyncIterator[WeChatPayTwin]:
    twin = new_twin()
    twin.silent = True
    twin.base_url = await twin.start()  # type: ignore[attr-defined]
    yield twin
    await twin.stop()


@pytest.fixture
async def gateway(twin: WeChatPayTwin, tmp_path: Path) -> AsyncIterator[WeChatPay]:
    settings = load_settings(**wechat_flags(twin, twin.base_url, tmp_path))  # type: ignore[attr-defined]
    gateway = WeChatPay(settings.wechatpay, load_keys(settings))
    async with gateway.running():
        yield gateway


async def pay(gateway: WeChatPay, twin: WeChatPayTwin) -> Payment:
    await gateway.prepay(ORDER)
    order = twin.pay(RID)
    return Payment(RID, order.transaction_id, 1_990, wechat_buyer_id(APPID, "o-ann"))


async def test_what_the_telephone_gets_is_signed(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    # given an order that is announced
    prepay_id = await gateway.prepay(ORDER)
    terms = twin.orders[RID].terms
    assert (terms["out_trade_no"], terms["amount"]) == (RID, {"total": 1_990, "currency": "CNY"})
    assert (terms["payer"], terms["description"]) == ({"openid": "o-ann"}, "龙井 Tea")
    assert terms["time_expire"] == "2026-11-18T19:06:40+08:00"
    # when the buyer's telephone is handed the five fields
    invitation = await gateway.invite(RID, prepay_id)
    fields = msgspec.to_builtins(invitation.request_payment)
    # then it takes them, and none of them altered
    assert twin.accepts(fields)
    for name in fields:
        assert not twin.accepts(fields | {name: f"0{fields[name]}"}), name


async def test_the_same_order_again_is_the_same(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    assert await gateway.prepay(ORDER) == await gateway.prepay(ORDER)
    assert len(twin.orders) == 1


async def test_an_order_from_its_begin_to_its_end(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    assert await gateway.query(RID) == CLOSED  # unknown there: nobody can pay it
    await gateway.close(RID)
    await gateway.prepay(ORDER)
    assert await gateway.query(RID) == UNPAID
    payment = await pay(gateway, twin)
    assert await gateway.query(RID) == Trade(TradeState.PAID, payment)
    with pytest.raises(GatewayRefused, match="ORDERPAID"):
        await gateway.close(RID)


async def test_a_closed_order_cannot_be_paid(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    await gateway.prepay(ORDER)
    await gateway.close(RID)
    await gateway.close(RID)
    assert await gateway.query(RID) == CLOSED
    with pytest.raises(GatewayRefused, match="ORDER_CLOSED"):
        await gateway.prepay(ORDER)


async def test_a_refund_goes_once(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    # given a payment that must go back
    payment = await pay(gateway, twin)
    order = RefundOrder("r1", payment.payment_id, RID, 1_990, 1_990)
    assert await gateway.query_refund("r1") is None
    # when it is sent three times
    answers = [await gateway.refund(order) for _ in range(3)]
    # then it is one refund
    assert len({answer.gateway_no for answer in answers}) == 1
    assert {answer.state for answer in answers} == {RefundState.ACCEPTED}
    assert twin.returned_fen == 1_990
    for status, state in (("SUCCESS", RefundState.REFUNDED), ("ABNORMAL", RefundState.FAILED)):
        twin.end_refund("r1", status)
        found = await gateway.query_refund("r1")
        assert found == RefundAnswer(state, answers[0].gateway_no, status)
    # and what was refunded cannot be refunded under another number
    with pytest.raises(GatewayRefused):
        await gateway.refund(RefundOrder("r2", payment.payment_id, RID, 1_990, 1_990))


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, GatewayRefused),
        (401, GatewayUnavailable),
        (403, GatewayRefused),
        (429, GatewayUnavailable),
        (500, GatewayUnknown),
        (502, GatewayUnknown),
        (302, GatewayUnknown),
        (200, GatewayUnknown),  # unsigned
    ],
)
async def test_what_an_error_means(
    gateway: WeChatPay, twin: WeChatPayTwin, status: int, fault: type[Exception]
) -> None:
    for body in (b'{"code":"X","message":"y"}', b"<html>", b""):
        twin.instead = lambda _, body=body: web.Response(status=status, body=body)  # type: ignore[misc]
        with pytest.raises(fault):
            await gateway.prepay(ORDER)


async def test_no_server_and_a_silent_one(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    async def never(_: Any) -> None:
        await asyncio.sleep(30)

    twin.instead = never
    with pytest.raises(GatewayUnknown):
        await gateway.query(RID)
    await twin.stop()
    with pytest.raises(GatewayUnavailable):
        await gateway.query(RID)


def _unsigned(headers: dict[str, str], body: bytes) -> Callback:
    return {}, body


def _altered(headers: dict[str, str], body: bytes) -> Callback:
    return headers, body.replace(b"NOTPAY", b"SUCCES")


def _stale(headers: dict[str, str], body: bytes) -> Callback:
    return signature_headers(rsa_key("platform"), headers["Wechatpay-Serial"], body, 1), body


def _by_another(headers: dict[str, str], body: bytes) -> Callback:
    key, serial = rsa_key("nobody"), headers["Wechatpay-Serial"]
    return signature_headers(key, serial, body, int(headers["Wechatpay-Timestamp"])), body


def _of_unknown_key(headers: dict[str, str], body: bytes) -> Callback:
    return headers | {"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}, body


@pytest.mark.parametrize("spoil", [_unsigned, _altered, _stale, _by_another, _of_unknown_key])
async def test_answers_that_cannot_be_trusted(
    gateway: WeChatPay, twin: WeChatPayTwin, spoil: Any
) -> None:
    await gateway.prepay(ORDER)
    twin.spoil = spoil
    with pytest.raises(GatewayUnknown):
        await gateway.query(RID)


async def test_an_answer_about_another_order(gateway: WeChatPay, twin: WeChatPayTwin) -> None:
    # given a server that answers, well signed, about somebody else's order
    await pay(gateway, twin)
    other = f"{RID[:-1]}8"
    twin.orders[other] = twin.orders[RID]
    right = twin.transaction
    twin.transaction = lambda _: right(RID)  # type: ignore[method-assign]
    # when, then
    with pytest.raises(GatewayUnknown):
        await gateway.query(other)


async def test_keys_never_show_in_a_repr(gateway: WeChatPay) -> None:
    assert "o-ann" not in repr(ORDER)
    assert "BEGIN" not in repr(gateway.__dict__)


def test_times_are_beijings() -> None:
    assert rfc3339(0) == "1970-01-01T08:00:00+08:00"
    assert rfc3339(1_433_136_575_999) == "2015-06-01T13:29:35+08:00"
