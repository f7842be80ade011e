"""Draws and waitlists over HTTP: from the entry to the unit that is held, paid or passed on."""

import asyncio
from typing import Any

import msgspec

from livesale.draws.lots import commitment_of
from livesale.ledger.writer import Writer
from livesale.line.drawn import find_faults, read_record
from livesale.line.keeper import LineKeeper
from livesale.operations.audit import audit
from tests.livesale.api import FAR_MS, Api, Reply
from tests.livesale.line.test_line import is_joinable, join, look, reserve, served, ticket
from tests.livesale.stage import running, until_written
from tests.waiting import until

PEOPLE = [f"b{number}" for number in range(12)]


async def prepare(api: Api, mode: str, *, units: int, opens_in_ms: int, turn_ms: int) -> str:
    now_ms = await api.deployment.engine.now_ms()
    drop = await api.create_drop(
        allotted=units,
        buyer_limit=1,
        ticket_required=True,
        opens_ms=now_ms + opens_in_ms,
        closes_ms=FAR_MS,
    )
    drop_id = str(drop["drop_id"])
    terms = {"mode": mode, "turn_ms": turn_ms}
    made = await api.post(f"/v1/admin/drops/{drop_id}/line", terms, by=api.boss)
    assert (made.status, made.body["mode"]) == (200, mode), made.body
    assert (await api.post(f"/v1/admin/drops/{drop_id}/open", by=api.boss)).status == 200
    shown = await api.get(f"/v1/drops/{drop_id}/line")
    assert shown.body["state"] in ("gathering", "open"), shown.body
    return drop_id


async def enter(api: Api, drop_id: str, buyer: str) -> Reply:
    return await api.post(f"/v1/drops/{drop_id}/entries", by=api.buyer(buyer))


async def drawn(api: Api, drop_id: str) -> dict[str, Any]:
    found: list[Reply] = []

    async def made() -> bool:
        found[:] = [await api.get(f"/v1/drops/{drop_id}/draw")]
        return found[0].status == 200

    await until(made)
    body: dict[str, Any] = found[0].body
    return body


async def pay(api: Api, rid: str, buyer: str) -> None:
    claim = await api.deployment.engine.reservation(rid)
    assert claim and claim.buyer_id == buyer
    outcome = await api.deployment.engine.confirm(rid, f"pay-{buyer}", claim.amount_fen)
    assert outcome.code == "SOLD"


async def sound(api: Api) -> None:
    await until_written(api.deployment)
    checks = await audit(api.deployment, settle_s=0.0)
    assert [(check.invariant, check.detail) for check in checks if not check.ok] == []


async def test_a_draw_from_the_entries_to_the_alternates(api: Api) -> None:
    stage = api.deployment
    async with running(Writer(stage)), running(LineKeeper(stage)):
        # given: a draw of two units among eleven, one of whom takes the entry back
        drop_id = await prepare(api, "draw", units=2, opens_in_ms=5_000, turn_ms=600_000)
        await is_joinable(api, drop_id)
        before = (await api.get(f"/v1/drops/{drop_id}/line")).body
        entered = await asyncio.gather(*(enter(api, drop_id, name) for name in PEOPLE))
        again = await enter(api, drop_id, "b4")
        assert {reply.status for reply in entered} == {201}
        assert (again.status, again.body["entry_id"]) == (200, entered[4].body["entry_id"])
        assert (again.body["position"], again.body["standing"]) == (None, "waiting")
        assert 0 < again.body["chance"] <= 0.5
        await api.delete(f"/v1/drops/{drop_id}/line", by=api.buyer("b11"))
        pending = await api.get(f"/v1/drops/{drop_id}/draw")
        assert (pending.status, pending.code) == (409, "draw_pending")
        assert (before["mode"], before["seed"]) == ("draw", "")

        # when: it opens
        body = await drawn(api, drop_id)
        # then: the record holds by itself, with the commitment from before
        record = read_record(msgspec.json.encode(body))
        assert find_faults(record) == []
        assert before["commitment"] == record.commitment == commitment_of(record.seed)
        names = {reply.body["entry_id"]: name for reply, name in zip(entered, PEOPLE, strict=True)}
        assert {names[entry] for entry in record.entry_ids} == set(PEOPLE[:11])
        ranked = [names[record.entry_ids[number]] for number in record.order]
        # and: the first two have a unit to pay, the others wait in the drawn order
        await served(api, drop_id, 2)
        places = [(await look(api, drop_id, name)).body for name in ranked]
        assert [place["position"] for place in places] == list(range(11))
        assert [place["standing"] for place in places] == ["held"] * 2 + ["waiting"] * 9
        assert [place["ahead"] for place in places[2:5]] == [0, 1, 2]
        assert [place["reservation_id"] is None for place in places] == [False] * 2 + [True] * 9
        assert places[0]["turn"]["until_ms"] - places[0]["turn"]["since_ms"] == 600_000
        # and: nobody buys beside the draw, and the list is closed
        assert (await ticket(api, drop_id, ranked[3])).code == "not_your_turn"
        assert (await ticket(api, drop_id, "stranger")).code == "not_your_turn"
        assert (await enter(api, drop_id, "late")).code == "line_closed"
        # but: who comes now may stand behind everybody
        late = await join(api, drop_id, "late")
        assert (late.status, late.body["position"]) == (201, 12)

        # when: the first pays, the second gives the unit back, and the third has left
        await pay(api, places[0]["reservation_id"], ranked[0])
        await api.delete(f"/v1/drops/{drop_id}/line", by=api.buyer(ranked[2]))
        gave = await api.delete(
            f"/v1/reservations/{places[1]['reservation_id']}", by=api.buyer(ranked[1])
        )
        assert gave.status == 200
        # then: the fourth has it
        await served(api, drop_id, 4)
        now = [(await look(api, drop_id, name)).body for name in ranked[:4]]
        assert [place["standing"] for place in now] == ["bought", "missed", "left", "held"]

        # and: the operator sees what became of the four, and what the next is told
        await until_written(stage)
        seen = (await api.get(f"/v1/admin/drops/{drop_id}/line/now", by=api.viewer)).body
        assert [seen[name] for name in ("served", "in_turn", "bought", "missed")] == [4, 1, 1, 1]
        assert (seen["waiting"], seen["left"], seen["entries"]) == (9, 2, 11)
        assert [told["ahead"] for told in seen["told"]] == [0, 4, 8]

        # when: the fourth pays, too: nothing can return
        await pay(api, now[3]["reservation_id"], ranked[3])

        async def gone() -> bool:
            return bool((await look(api, drop_id, ranked[5])).body["standing"] == "gone")

        await until(gone)
        # and when: the operator finds one more box
        found = {"delta": 1, "reason": "found a box"}
        await api.post(f"/v1/admin/drops/{drop_id}/adjust", found, by=api.boss)
        # then: the line goes on
        await served(api, drop_id, 5)
        assert (await look(api, drop_id, ranked[4])).body["standing"] == "held"
        await sound(api)
    checks = {check.invariant: check for check in await audit(stage, settle_s=0.0)}
    assert "4 orders in turn" in checks["I14"].detail


async def test_a_waitlist_gets_what_returns(api: Api) -> None:
    stage = api.deployment
    async with running(Writer(stage)), running(LineKeeper(stage)):
        # given: a drop that sells, with a waitlist from the start
        drop_id = await prepare(api, "waitlist", units=2, opens_in_ms=0, turn_ms=600_000)
        await is_joinable(api, drop_id)
        assert (await join(api, drop_id, "early")).code == "still_available"
        assert (await enter(api, drop_id, "early")).code == "unknown_line"
        rids = []
        for name in ("ann", "bob"):
            text = (await ticket(api, drop_id, name)).body["ticket"]
            made = await reserve(api, drop_id, name, text)
            assert made.status == 201, made.body
            rids.append(made.body["reservation_id"])
        # when: it is sold out, three wait
        for position, name in enumerate(("cat", "dan", "eve")):
            waits = await join(api, drop_id, name)
            assert (waits.status, waits.body["position"]) == (201, position)
            assert (waits.body["ahead"], waits.body["standing"]) == (position, "waiting")
        # then: nobody passes them with a new ticket
        assert (await ticket(api, drop_id, "fay")).code == "not_your_turn"
        # when: bob gives the unit back
        await api.delete(f"/v1/reservations/{rids[1]}", by=api.buyer("bob"))
        await served(api, drop_id, 1)
        # then
        cat = (await look(api, drop_id, "cat")).body
        assert (cat["standing"], cat["entry_id"]) == ("held", None)
        mine = await api.get(f"/v1/reservations/{cat['reservation_id']}", by=api.buyer("cat"))
        assert (mine.status, mine.body["status"]) == (200, "held")
        assert (await look(api, drop_id, "dan")).body["standing"] == "waiting"
        await sound(api)
        # when: everything is paid
        await pay(api, rids[0], "ann")
        await pay(api, cat["reservation_id"], "cat")

        async def gone() -> bool:
            return bool((await look(api, drop_id, "dan")).body["standing"] == "gone")

        await until(gone)
        assert (await ticket(api, drop_id, "dan")).code == "gone"
        await sound(api)


async def test_terms_that_a_mode_does_not_take(api: Api) -> None:
    drop = await api.create_drop(ticket_required=True)
    path = f"/v1/admin/drops/{drop['drop_id']}/line"
    for terms, field in (
        ({"turn_ms": 600_001}, "turn_ms"),
        ({"mode": "draw", "capacity": 500_001}, "capacity"),
        ({"mode": "raffle"}, "mode"),
    ):
        refused = await api.post(path, terms, by=api.boss)
        assert (refused.status, refused.code) == (422, "invalid_field"), terms
        assert refused.body["field"] == field
    # a draw gathers before the opening; a waitlist may come later
    assert (await api.post(path, {"mode": "draw"}, by=api.boss)).code == "already_open"
    made = await api.post(path, {"mode": "waitlist", "turn_ms": 900_000}, by=api.boss)
    assert (made.status, made.body["state"]) == (200, "draft")
