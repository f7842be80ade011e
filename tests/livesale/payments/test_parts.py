"""Refunds of parts of a payment: by amount, by units, never more than was paid."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.refund_sender import RefundSender
from livesale.telemetry.workers import KeeperMetrics
from tests.livesale.api import Api, Reply
from tests.livesale.orders.after import order_of, sell
from tests.livesale.payments.shop import Shop, gateway_of
from tests.livesale.stage import on_both, running, until_written


async def back(api: Api, order_id: str, **asked: Any) -> Reply:
    return await api.post(
        f"/v1/admin/orders/{order_id}/refund", {"reason": "broken"} | asked, by=api.boss
    )


@on_both
async def test_parts_go_back_until_nothing_is_left(api: Api) -> None:
    async with running(Writer(api.deployment)):
        # given a sold order of three units at 1,990 fen
        order_id = await sell(api, await api.open_drop(), quantity=3)
        # when parts of it go back, by amount and by units, some of them twice
        for asked, status, amount_fen in (
            ({"amount_fen": 500, "refund_id": "a"}, 201, 500),
            ({"amount_fen": 500, "refund_id": "a"}, 200, 500),
            ({"units": 2, "refund_id": "b"}, 201, 3_980),
        ):
            reply = await back(api, order_id, **asked)
            assert (reply.status, reply.body["amount_fen"]) == (status, amount_fen)
            assert reply.body["paid_fen"] == 5_970
        # then more than is left does not, nor another amount under a used id
        for asked, code in (
            ({"units": 1, "refund_id": "c"}, "too_much_back"),
            ({"amount_fen": 501, "refund_id": "a"}, "idempotency_conflict"),
            ({"amount_fen": 100}, "partial_refund"),
            ({"units": 4, "refund_id": "d"}, "invalid_field"),
            ({"units": 1, "amount_fen": 1, "refund_id": "d"}, "invalid_field"),
        ):
            assert (await back(api, order_id, **asked)).code == code
        # and the rest does, once
        rest = await back(api, order_id)
        assert (rest.status, rest.body["amount_fen"]) == (201, 1_490)
        for asked in ({}, {"amount_fen": 5_970}):
            assert (await back(api, order_id, **asked)).code == "already_refunded"
        # and nothing will be sent any more
        assert (await order_of(api, order_id))["stage"] == "cancelled"
        # and the audit finds nothing wrong with it
        checks = await audit(api.deployment, full=True)
        assert [check for check in checks if not check.ok] == []


@on_both
async def test_of_many_at_once_as_many_as_fit(api: Api) -> None:
    async with running(Writer(api.deployment)):
        order_id = await sell(api, await api.open_drop(), quantity=2)
    # when ten ask for a third of it at once
    asked = [{"amount_fen": 1_300, "refund_id": f"r{number}"} for number in range(10)]
    replies = await asyncio.gather(*(back(api, order_id, **one) for one in asked))
    while any(reply.status == 503 for reply in replies):  # a deadlock: the same again
        replies = [
            await back(api, order_id, **one) if reply.status == 503 else reply
            for one, reply in zip(asked, replies, strict=True)
        ]
    # then three of them fit into 3,980 fen
    assert sorted(reply.status for reply in replies) == [201] * 3 + [409] * 7
    assert {reply.code for reply in replies if reply.status == 409} == {"too_much_back"}


async def test_the_gateway_is_told_of_the_whole_payment(shop: Shop) -> None:
    async with running(Writer(shop.stage)):
        # given an order of two units that was paid at WeChat
        rid = await shop.begin(await shop.api.open_drop(), quantity=2)
        shop.twin.pay(rid)
        await shop.twin.told()
        await until_written(shop.stage)
        # when one unit goes back, and then the other
        for refund_id in "ab":
            reply = await back(shop.api, rid, units=1, refund_id=refund_id)
            assert reply.status == 201, reply.body
        gateway = gateway_of(shop.stage)
        async with gateway.running():
            sender = RefundSender(shop.stage, gateway, KeeperMetrics(CollectorRegistry()))
            assert await sender.step() == 2
        # then the twin has taken on both, and its callbacks about them are believed
        assert shop.twin.returned_fen == 3_980
        for refund_no in list(shop.twin.orders[rid].refunds):
            shop.twin.end_refund(refund_no)
        await shop.twin.told()
        assert set(shop.twin.heard) == {200}
    order = await order_of(shop.api, rid, await shop.buyer("ann"))
    assert [(one["amount_fen"], one["state"]) for one in order["refunds"]] == [
        (1_990, "refunded"),
        (1_990, "refunded"),
    ]


@pytest.mark.parametrize("refund_id", ["", "a b", "x" * 65, "a\n"])
async def test_what_is_no_id_of_a_refund(api: Api, refund_id: str) -> None:
    reply = await back(api, "nosuch-0123456789abcdef", amount_fen=1, refund_id=refund_id)
    assert (reply.status, reply.body["field"]) == (422, "refund_id")
