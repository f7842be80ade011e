"""After-sale cases: who asks, who decides, what money and units follow, and when."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.orders.events import events_of
from livesale.orders.keeper import OrderKeeper
from livesale.payments.refund_sender import RefundSender
from livesale.payments.simulated import SimulatedGateway
from livesale.telemetry.workers import KeeperMetrics
from tests.livesale.api import Api, Reply
from tests.livesale.catalogue.drawn import picture, with_place
from tests.livesale.orders.after import SF, order_of, sell, ship, tell_address
from tests.livesale.stage import on_both, running, until_written

FAR_MS = 9_000_000_000_000


async def ask(api: Api, order_id: str, buyer: str = "ann", **changes: Any) -> Reply:
    body = {"kind": "refund", "units": 1, "reason": "broken"} | changes
    return await api.post(f"/v1/orders/{order_id}/cases", body, by=api.buyer(buyer))


async def decide(api: Api, case_id: str, verb: str, **body: Any) -> Reply:
    return await api.post(f"/v1/admin/cases/{case_id}/{verb}", body, by=api.boss)


async def say(api: Api, case_id: str, verb: str, body: Any = None, buyer: str = "ann") -> Reply:
    return await api.post(f"/v1/cases/{case_id}/{verb}", body, by=api.buyer(buyer))


async def pay_back(api: Api) -> None:
    """What the keeper does: the refunds, and the cases that they end."""
    gateway = SimulatedGateway(api.deployment.redis)
    await RefundSender(api.deployment, gateway, KeeperMetrics(CollectorRegistry())).step()
    await OrderKeeper(api.deployment).decide(0)


async def shipped(api: Api, quantity: int = 3, **terms: Any) -> tuple[str, str]:
    """A drop, and a shipped order of it."""
    drop_id = await api.open_drop(**terms)
    order_id = await sell(api, drop_id, quantity=quantity)
    await tell_address(api, order_id)
    assert (await ship(api, order_id)).status == 201
    return drop_id, order_id


@on_both
async def test_a_return_brings_units_and_money_back_once(api: Api) -> None:
    async with running(Writer(api.deployment)):
        # given an order of three units that was shipped
        drop_id, order_id = await shipped(api)
        # when its buyer asks to return two, and the shop agrees
        case = (await ask(api, order_id, kind="return", units=2)).body
        assert (case["state"], case["amount_fen"]) == ("asked", 3_980)
        case_id = case["case_id"]
        assert (await decide(api, case_id, "agree", answer="ok")).body["state"] == "agreed"
        assert (await say(api, case_id, "return", SF)).body["number"] == SF["number"]
        # and the goods are taken in, ten times at once
        replies = await asyncio.gather(
            *(decide(api, case_id, "take-in", fate="stock") for _ in range(10))
        )
        assert sorted(reply.status for reply in replies) == [200] + [409] * 9
        # then keepers bring the units back once, and the money
        keepers = [OrderKeeper(api.deployment) for _ in range(3)]
        await asyncio.gather(*(keeper.take_back(FAR_MS) for keeper in keepers))
        await pay_back(api)
        await until_written(api.deployment)
        books = await api.books(drop_id)
        assert (books["ok"], books["sql"]["available"], books["sql"]["sold"]) == (True, 9, 1)
        order = await order_of(api, order_id)
        assert [case["state"] for case in order["cases"]] == ["refunded"]
        assert [(one["amount_fen"], one["reason"]) for one in order["refunds"]] == [
            (3_980, "after_sale")
        ]
        # and the audit finds nothing wrong
        assert [check for check in await audit(api.deployment) if not check.ok] == []
    async with session(api.deployment.sql) as connection:
        kinds = [event.kind for event in await events_of(connection, order_id)]
    for kind in ("case.asked", "case.agreed", "case.sent_back", "case.returned", "units.back"):
        assert kinds.count(kind) == 1, kinds


@pytest.mark.parametrize(("fate", "burned", "sold"), [("burn", 1, 2), ("keep", 0, 3)])
async def test_what_becomes_of_units(api: Api, fate: str, burned: int, sold: int) -> None:
    async with running(Writer(api.deployment)):
        drop_id, order_id = await shipped(api)
        case_id = (await ask(api, order_id, kind="return")).body["case_id"]
        await decide(api, case_id, "agree")
        assert (await decide(api, case_id, "take-in", fate=fate)).body["fate"] == fate
        await OrderKeeper(api.deployment).take_back(FAR_MS)
        await until_written(api.deployment)
    books = (await api.books(drop_id))["sql"]
    assert (books["burned"], books["sold"]) == (burned, sold)


async def test_units_of_a_closed_drop_come_back_outside_of_it(api: Api) -> None:
    async with running(Writer(api.deployment)):
        drop_id, order_id = await shipped(api)
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
        case_id = (await ask(api, order_id, kind="return")).body["case_id"]
        await decide(api, case_id, "agree")
        await decide(api, case_id, "take-in", fate="stock")
        before = await api.books(drop_id)
        assert await OrderKeeper(api.deployment).take_back(FAR_MS) == 1
        assert await OrderKeeper(api.deployment).take_back(FAR_MS) == 0
    assert await api.books(drop_id) == before
    async with session(api.deployment.sql) as connection:
        kinds = [event.kind for event in await events_of(connection, order_id)]
    assert "units.outside" in kinds


async def test_a_refund_before_shipping_cancels_the_order(api: Api) -> None:
    async with running(Writer(api.deployment)):
        order_id = await sell(api, await api.open_drop())
    await tell_address(api, order_id)
    early = await ask(api, order_id, kind="return")
    assert (early.status, early.code) == (409, "not_shipped")
    case_id = (await ask(api, order_id)).body["case_id"]
    assert (await decide(api, case_id, "agree")).body["refund_no"]
    assert (await order_of(api, order_id))["stage"] == "cancelled"
    assert (await ship(api, order_id)).code == "order_over"
    late = await say(api, case_id, "withdraw")
    assert (late.status, late.code) == (409, "case_over")


async def test_one_case_at_a_time_and_no_more_than_there_is(api: Api) -> None:
    async with running(Writer(api.deployment)):
        _, order_id = await shipped(api)
    replies = await asyncio.gather(*(ask(api, order_id, units=2) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 4
    assert {reply.code for reply in replies if reply.status == 409} == {"case_open"}
    case_id = next(reply.body["case_id"] for reply in replies if reply.status == 201)
    # less money than was asked for, never more
    more = await decide(api, case_id, "agree", amount_fen=3_981)
    assert (more.status, more.body["field"]) == (422, "amount_fen")
    assert (await decide(api, case_id, "agree", amount_fen=1_000)).body["amount_fen"] == 1_000
    await pay_back(api)
    # then one unit is left, and 4,970 fen
    for changes, field in (({"units": 2}, "units"), ({"amount_fen": 1_991}, "amount_fen")):
        reply = await ask(api, order_id, **changes)
        assert (reply.status, reply.body["field"]) == (422, field)
    refused = (await ask(api, order_id)).body["case_id"]
    assert (await decide(api, refused, "refuse", answer="it was worn")).body["state"] == "refused"
    assert (await decide(api, refused, "agree")).code == "case_over"
    # and a refused unit may be asked for again
    again = (await ask(api, order_id)).body["case_id"]
    assert (await say(api, again, "withdraw")).body["state"] == "withdrawn"


async def test_deadlines(api: Api) -> None:
    keeper = OrderKeeper(api.deployment)
    async with running(Writer(api.deployment)):
        _, first = await shipped(api)
        _, second = await shipped(api)
    # given a case that nobody answers, then it is agreed to at its deadline
    case = (await ask(api, first, kind="return")).body
    await keeper.decide(case["due_ms"] - 1)
    assert (await order_of(api, first))["cases"][0]["state"] == "asked"
    await asyncio.gather(keeper.decide(case["due_ms"]), keeper.decide(case["due_ms"]))
    agreed = (await order_of(api, first))["cases"][0]
    assert agreed["state"] == "agreed"
    # and goods that never come withdraw it
    await keeper.decide(agreed["due_ms"])
    assert (await order_of(api, first))["cases"][0]["state"] == "withdrawn"
    # given goods that were sent, and that nobody checks, then they count as taken in
    other = (await ask(api, second, kind="return")).body["case_id"]
    await decide(api, other, "agree")
    sent = (await say(api, other, "return", SF)).body
    await keeper.decide(sent["due_ms"])
    taken = (await order_of(api, second))["cases"][0]
    assert (taken["state"], taken["fate"]) == ("returned", "keep")


async def test_evidence_is_a_picture_of_the_order(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr("livesale.orders.cases.evidence.MAX_PICTURES", 1)
    async with running(Writer(api.deployment)):
        _, order_id = await shipped(api)
    path = f"/v1/orders/{order_id}/evidence"
    ann, bob = api.buyer(), api.buyer("bob")
    # given a picture of another buyer, one that is none, and one too many
    assert (await api.post(path, raw=picture(), by=bob)).code == "unknown_order"
    assert (await api.post(path, raw=b"GIF89a", by=ann)).code == "picture_broken"
    strange = await ask(api, order_id, evidence=["a" * 32])
    assert (strange.code, strange.body["field"]) == ("invalid_field", "evidence")
    shown = (await api.post(path, raw=picture(), by=ann)).body
    assert (await api.post(path, raw=picture(), by=ann)).body == shown
    assert (await api.post(path, raw=with_place(), by=ann)).code == "too_many_pictures"
    # when it is named in a case, then everybody who sees the case sees it
    case = await ask(api, order_id, evidence=[shown["picture_id"]])
    assert case.body["evidence"] == [shown]
    assert (await order_of(api, order_id))["cases"] == [case.body]
    whole = await api.get(f"/v1/admin/orders/{order_id}", by=api.viewer)
    assert whole.body["cases"][0]["evidence"] == [shown]


async def test_nobody_sees_the_cases_of_others(api: Api) -> None:
    async with running(Writer(api.deployment)):
        _, order_id = await shipped(api)
    assert (await ask(api, order_id, "bob")).code == "unknown_order"
    case_id = (await ask(api, order_id)).body["case_id"]
    calls: list[Awaitable[Reply]] = [
        api.get(f"/v1/cases/{case_id}", by=api.buyer("bob")),
        say(api, case_id, "withdraw", buyer="bob"),
        say(api, case_id, "return", SF, buyer="bob"),
    ]
    for call in calls:
        assert (await call).code == "unknown_case"
    page = (await api.get("/v1/admin/cases?state=asked", by=api.viewer)).body
    assert [case["case_id"] for case in page["cases"]] == [case_id]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "gift"}, "kind"),
        ({"units": 0}, "units"),
        ({"units": 1_001}, "units"),
        ({"reason": ""}, "reason"),
        ({"amount_fen": -1}, "amount_fen"),
        ({"evidence": ["../x"]}, "evidence"),
        ({"evidence": ["a" * 32] * 7}, "evidence"),
        ({"photo": "x"}, "photo"),
    ],
)
async def test_what_is_no_case(api: Api, changes: dict[str, Any], field: str) -> None:
    reply = await ask(api, "nosuch-0123456789abcdef", **changes)
    assert (reply.status, reply.body["field"].partition("[")[0].partition(".")[0]) == (422, field)
