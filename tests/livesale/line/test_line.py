"""A line over HTTP: from the operator's terms to the last unit; places, turns, tickets, gone."""

import asyncio
from typing import Any

import pytest

from livesale.draws.order import Order
from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.line.places import PlaceSigner
from livesale.operations.audit import audit
from livesale.tokens.keyring import Keyring
from tests.livesale.api import FAR_MS, Api, Reply
from tests.livesale.stage import running, until_written
from tests.waiting import until

PEOPLE = [f"b{number}" for number in range(30)]


async def gather(api: Api, *, opens_in_ms: int = 2_000, units: int = 3, **terms: int) -> str:
    """A drop with a line, opened by an operator, that opens for buyers in a moment."""
    now_ms = await api.deployment.engine.now_ms()
    drop = await api.create_drop(
        allotted=units,
        buyer_limit=1,
        ticket_required=True,
        opens_ms=now_ms + opens_in_ms,
        closes_ms=FAR_MS,
    )
    drop_id = str(drop["drop_id"])
    made = await api.post(f"/v1/admin/drops/{drop_id}/line", terms or {}, by=api.boss)
    assert (made.status, made.body["state"]) == (200, "draft"), made.body
    opened = await api.post(f"/v1/admin/drops/{drop_id}/open", by=api.boss)
    assert opened.status == 200, opened.body
    shown = await api.get(f"/v1/drops/{drop_id}/line")  # at once, without a keeper
    assert shown.body["state"] == "gathering", shown.body
    return drop_id


async def join(api: Api, drop_id: str, buyer: str) -> Reply:
    return await api.post(f"/v1/drops/{drop_id}/line", by=api.buyer(buyer))


async def look(api: Api, drop_id: str, buyer: str, place: str = "") -> Reply:
    query = f"?place={place}" if place else ""
    return await api.get(f"/v1/drops/{drop_id}/line/me{query}", by=api.buyer(buyer))


async def ticket(api: Api, drop_id: str, buyer: str) -> Reply:
    return await api.post(f"/v1/drops/{drop_id}/tickets", by=api.buyer(buyer))


async def reserve(api: Api, drop_id: str, buyer: str, text: str) -> Reply:
    body = {"quantity": 1, "ticket": text}
    return await api.post(f"/v1/drops/{drop_id}/reservations", body, by=api.buyer(buyer))


async def is_joinable(api: Api, drop_id: str) -> None:
    async def shown() -> bool:
        return (await api.get(f"/v1/drops/{drop_id}/line")).status == 200

    await until(shown)


async def state_is(api: Api, drop_id: str, state: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def shown() -> bool:
        seen.update((await api.get(f"/v1/drops/{drop_id}/line")).body)
        return bool(seen["state"] == state)

    await until(shown)
    return seen


async def served(api: Api, drop_id: str, count: int) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def shown() -> bool:
        seen.update((await api.get(f"/v1/drops/{drop_id}/line")).body)
        return bool(seen["serving"] >= count)

    await until(shown)
    return seen


async def test_from_the_gathering_to_the_last_unit(api: Api) -> None:
    stage = api.deployment
    async with running(Writer(stage)), running(LineKeeper(stage)):
        drop_id = await gather(api, opens_in_ms=4_000)
        await is_joinable(api, drop_id)
        before = (await api.get(f"/v1/drops/{drop_id}/line")).body
        # when: thirty join, some of them again
        joined = await asyncio.gather(*(join(api, drop_id, name) for name in PEOPLE))
        again = await join(api, drop_id, "b3")
        # then
        assert {reply.status for reply in joined} == {201}
        assert sorted(reply.body["index"] for reply in joined) == list(range(30))
        assert (again.status, again.body["index"]) == (200, joined[3].body["index"])
        assert (again.body["position"], again.body["standing"]) == (None, "waiting")
        assert (before["seed"], before["n0"], before["closing_id"]) == ("", None, "")
        assert (await ticket(api, drop_id, "b3")).status == 425

        # when: it opens
        line = await served(api, drop_id, 3)
        # then: the order is that of the seed, and the commitment is the one from before
        assert (line["commitment"], line["n0"]) == (before["commitment"], 30)
        order = Order(line["seed"], 30, line["closing_id"])
        index = {name: reply.body["index"] for name, reply in zip(PEOPLE, joined, strict=True)}
        ranked = sorted(PEOPLE, key=lambda name: order.position_of(index[name]))
        places = [(await look(api, drop_id, name)).body for name in ranked[:5]]
        assert [place["position"] for place in places] == [0, 1, 2, 3, 4]
        assert [place["standing"] for place in places] == ["turn"] * 3 + ["waiting"] * 2
        assert [place["ahead"] for place in places] == [None, None, None, 0, 1]
        # and: all three units are promised to those in turn
        assert [place["chance"] for place in places[3:]] == [0.0, 0.0]
        assert [place["eta_ms"] for place in places[3:]] == [None, None]
        # and: who waits gets no ticket
        refused = await ticket(api, drop_id, ranked[4])
        assert (refused.status, refused.code) == (403, "not_your_turn")
        assert (await ticket(api, drop_id, "stranger")).code == "no_place"

        # when: two buy, the third does not come
        tickets = [(await ticket(api, drop_id, name)).body for name in ranked[:2]]
        made = [
            await reserve(api, drop_id, name, one["ticket"])
            for name, one in zip(ranked, tickets, strict=False)
        ]
        assert [reply.status for reply in made] == [201, 201]
        # then: a turn is good for one reservation, whatever the ticket
        more = (await ticket(api, drop_id, ranked[0])).body["ticket"]
        await api.delete(
            f"/v1/reservations/{made[0].body['reservation_id']}", by=api.buyer(ranked[0])
        )
        assert (await reserve(api, drop_id, ranked[0], more)).code == "ticket_used"
        # and: the returned unit is for the next in line
        await served(api, drop_id, 4)
        assert (await look(api, drop_id, ranked[3])).body["standing"] == "turn"

        # when: the sale is closed
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
        await state_is(api, drop_id, "gone")
        # then: it is said to everybody at once
        assert (await look(api, drop_id, ranked[9])).body["standing"] == "gone"
        late = await join(api, drop_id, "late")
        assert (late.status, late.code) == (410, "gone")
        await until_written(stage)
        # and: the operator sees that nobody stayed away who was asked, and the last count stays
        now = (await api.get(f"/v1/admin/drops/{drop_id}/line/now", by=api.viewer)).body
        assert (now["state"], now["told"][0]["chance"]) == ("gone", 0.0)
        assert now["bought"] + now["missed"] == now["served"] and now["in_turn"] == 0
    checks = {check.invariant: check for check in await audit(stage, settle_s=0.0)}
    assert checks["I13"].ok and checks["I14"].ok
    assert "1 line, 30 places" in checks["I13"].detail
    assert "2 orders in turn" in checks["I14"].detail


async def test_people_who_do_not_come_stall_nothing(api: Api) -> None:
    """Nobody comes in the first turns: the next have theirs when those are over."""
    stage = api.deployment
    async with running(Writer(stage)), running(LineKeeper(stage)):
        drop_id = await gather(api, units=2, turn_ms=1_000)
        await is_joinable(api, drop_id)
        for name in PEOPLE[:8]:
            await join(api, drop_id, name)
        await served(api, drop_id, 2)
        line = await served(api, drop_id, 6)
        order = Order(line["seed"], line["n0"], line["closing_id"])
        first = next(
            name for number, name in enumerate(PEOPLE[:8]) if not order.position_of(number)
        )
        missed = await look(api, drop_id, first)
        assert (missed.body["standing"], missed.body["retry_after_ms"]) == ("missed", 0)
        assert (await ticket(api, drop_id, first)).code == "not_your_turn"
        # and: the operator sees how many did not come, and what the last in line is told

        async def noticed() -> bool:
            now = (await api.get(f"/v1/admin/drops/{drop_id}/line/now", by=api.viewer)).body
            is_whole = now["in_turn"] + now["missed"] == now["served"] == 8 and not now["bought"]
            return bool(is_whole and now["missed"] >= 6 and now["waiting"] == 0)

        await until(noticed)
        [shown] = (await api.get("/v1/admin/cockpit", by=api.viewer)).body["drops"]["drops"]
        assert shown["line"] == {"state": "open", "waiting": 0, "served": 8}
        # and: who missed it joins anew, at the end
        left = await api.delete(f"/v1/drops/{drop_id}/line", by=api.buyer(first))
        anew = await join(api, drop_id, first)
        assert (left.status, anew.status, anew.body["index"]) == (200, 201, 8)
        await until_written(stage)


async def test_a_stolen_place_is_read_from_redis_again(api: Api) -> None:
    drop_id = await gather(api, opens_in_ms=3_600_000)
    async with running(LineKeeper(api.deployment)), running(Writer(api.deployment)):
        await is_joinable(api, drop_id)
    ann, bob = await join(api, drop_id, "ann"), await join(api, drop_id, "bob")
    # a good token, then one of somebody else, one of another epoch, and rubbish
    good = await look(api, drop_id, "ann", ann.body["place"])
    stolen = await look(api, drop_id, "ann", bob.body["place"])
    signer = PlaceSigner(Keyring.from_settings(api.deployment.settings))
    old = signer.sign(77, drop_id=drop_id, buyer_id="ann", epoch=99)
    assert good.body["index"] == stolen.body["index"] == ann.body["index"]
    assert (await look(api, drop_id, "ann", old)).body["index"] == ann.body["index"]
    assert (await look(api, drop_id, "ann", "lsl1.x")).body["index"] == ann.body["index"]
    assert (await look(api, drop_id, "cat", ann.body["place"])).code == "no_place"


async def test_a_look_with_a_place_costs_no_call_to_redis(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_id = await gather(api, opens_in_ms=3_600_000)
    async with running(LineKeeper(api.deployment)), running(Writer(api.deployment)):
        await is_joinable(api, drop_id)
    place = (await join(api, drop_id, "ann")).body["place"]
    calls: list[str] = []
    line = api.deployment.engine.line
    for name in ("place", "snapshot"):
        own = getattr(line, name)

        async def counted(*args: Any, own: Any = own, name: str = name) -> Any:
            calls.append(name)
            return await own(*args)

        monkeypatch.setattr(line, name, counted)
    for _ in range(20):
        assert (await look(api, drop_id, "ann", place)).status == 200
    assert "place" not in calls
    assert len(calls) < 20


async def test_what_an_operator_may_not_do(api: Api) -> None:
    plain = str((await api.create_drop())["drop_id"])
    path = "/v1/admin/drops/{}/line"
    refused = await api.post(path.format(plain), {}, by=api.boss)
    assert (refused.status, refused.code) == (409, "no_tickets")
    now = str((await api.create_drop(ticket_required=True))["drop_id"])
    assert (await api.post(path.format(now), {}, by=api.boss)).code == "already_open"
    assert (await api.post(path.format("nosuch"), {}, by=api.boss)).code == "unknown_drop"
    wrong = await api.post(path.format(now), {"turn_ms": 1}, by=api.boss)
    assert (wrong.status, wrong.code) == (422, "invalid_field")
    assert (await api.get(f"/v1/drops/{now}/line")).code == "unknown_line"
    assert (await api.get("/v1/drops/nosuch/line")).code == "unknown_drop"


async def test_a_line_opens_with_its_drop_or_not_at_all(api: Api) -> None:
    """A drop that opens at once would void its line, so it is refused before anything happens."""
    now_ms = await api.deployment.engine.now_ms()
    at = {"opens_ms": now_ms + 600_000, "closes_ms": FAR_MS}
    drop_id = str((await api.create_drop(ticket_required=True, **at))["drop_id"])
    line, path = f"/v1/admin/drops/{drop_id}/line", f"/v1/admin/drops/{drop_id}"
    assert (await api.post(line, {}, by=api.boss)).status == 200
    soon = {"opens_ms": now_ms + 1, "version": (await api.get(path, by=api.boss)).body["version"]}
    assert (await api.ask("PATCH", path, soon, by=api.boss)).status == 200
    refused = await api.post(f"{path}/open", by=api.boss)
    assert (refused.status, refused.code) == (409, "line_needs_time")
    assert (await api.get(path, by=api.boss)).body["state"] == "draft"
    assert (await api.get(f"/v1/drops/{drop_id}/line")).code == "unknown_line"
    # when the line is taken away
    assert (await api.delete(line, by=api.boss)).status == 200
    # then
    assert (await api.post(f"{path}/open", by=api.boss)).status == 200


async def test_a_room_opens_the_line_of_its_drop_with_a_countdown(api: Api) -> None:
    """Its draft has no time of its own: the line gathers while the countdown runs."""
    new = {"title": "Tea tonight", "host": "host", "starts_ms": FAR_MS}
    room = f"/v1/rooms/{(await api.post('/v1/rooms', new, by=api.boss)).body['room_id']}"
    await api.post(f"{room}/start", by=api.boss)
    drop_id = str((await api.create_drop(ticket_required=True))["drop_id"])
    line = f"/v1/admin/drops/{drop_id}/line"
    assert (await api.ask("PUT", f"{room}/drops/{drop_id}", by=api.boss)).status == 200
    assert (await api.post(line, {}, by=api.boss)).status == 200
    at_once = await api.post(f"{room}/drops/{drop_id}/open", {"countdown_s": 0}, by=api.boss)
    assert (at_once.status, at_once.code) == (409, "line_needs_time")
    opened = await api.post(f"{room}/drops/{drop_id}/open", {"countdown_s": 60}, by=api.boss)
    assert opened.status == 200, opened.body
    assert (await join(api, drop_id, "ann")).status == 201


async def test_terms_are_fixed_once_people_may_join(api: Api) -> None:
    later = {"opens_ms": await api.deployment.engine.now_ms() + 3_600_000}
    drop_id = str((await api.create_drop(ticket_required=True, **later))["drop_id"])
    path = f"/v1/admin/drops/{drop_id}/line"
    first = await api.post(path, {"turn_ms": 60_000}, by=api.boss)
    # a draft changes, and keeps its seed
    changed = await api.post(path, {"turn_ms": 30_000}, by=api.boss)
    assert (changed.body["turn_ms"], changed.body["commitment"]) == (
        30_000,
        first.body["commitment"],
    )
    assert (await api.get(path, by=api.viewer)).body == changed.body
    assert (await api.delete(path, by=api.boss)).status == 200
    assert (await api.get(path, by=api.boss)).code == "unknown_line"
    await api.post(path, {"turn_ms": 60_000}, by=api.boss)
    async with running(Writer(api.deployment)):
        await api.post(f"/v1/admin/drops/{drop_id}/open", by=api.boss)
        await until_written(api.deployment)
        opened = await api.post(path, {"turn_ms": 60_000}, by=api.boss)
        assert (opened.status, opened.body["state"]) == (200, "gathering")
        await until_written(api.deployment)
        assert (await api.post(path, {"turn_ms": 5_000}, by=api.boss)).code == "line_opened"
        assert (await api.delete(path, by=api.boss)).code == "line_opened"
        # and: people join without a keeper
        assert (await join(api, drop_id, "ann")).status == 201


async def test_who_left_does_not_wait_whatever_they_show(api: Api) -> None:
    stage = api.deployment
    async with running(Writer(stage)), running(LineKeeper(stage)):
        drop_id = await gather(api, opens_in_ms=60_000)
        await is_joinable(api, drop_id)
        mine = (await join(api, drop_id, "ann")).body
        other = (await join(api, drop_id, "bob")).body
        assert (await look(api, drop_id, "ann", mine["place"])).body["standing"] == "waiting"
        # when
        await api.delete(f"/v1/drops/{drop_id}/line", by=api.buyer("ann"))
        # then: an old place is not believed
        assert (await look(api, drop_id, "ann", mine["place"])).body["standing"] == "left"
        assert (await look(api, drop_id, "bob", other["place"])).body["standing"] == "waiting"
        # and: the new place counts, whichever is shown
        again = (await join(api, drop_id, "ann")).body
        shown = (await look(api, drop_id, "ann", mine["place"])).body
        assert (shown["standing"], shown["index"], again["index"]) == ("waiting", 2, 2)
