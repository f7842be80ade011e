"""Who may enter a line: the terms that are published, and nobody of the shop."""

import pytest
from sqlalchemy import update

from livesale.app import PARTS
from livesale.catalogue.view import CatalogueView
from livesale.database import engine as database
from livesale.identity.store import remember_buyer
from livesale.identity.tables import buyers
from livesale.line.drafts import MAX_AGE_S, LineDrafts, NewLine
from livesale.line.insiders import MAX_INSIDERS
from livesale.line.view import LineView
from livesale.rooms.members import ASSISTANT
from livesale.rooms.states import RoomState
from livesale.rooms.store import add_member
from livesale.rooms.tables import rooms
from stock.line.model import LineMode
from tests.livesale.api import FAR_MS, Api
from tests.livesale.line.test_holds import enter, prepare
from tests.livesale.line.test_line import gather, join, reserve, ticket
from tests.livesale.line.test_tickets import solve
from tests.waiting import until

DAY_S = 86_400


async def known_since(api: Api, buyer: str, seconds: int) -> None:
    """The buyer has first logged in so long ago."""
    sql = api.deployment.sql
    await remember_buyer(sql, buyer, "dev", buyer)
    now_ms = await api.deployment.engine.now_ms()
    async with database.transaction(sql) as connection:
        mine = update(buyers).where(buyers.c.buyer_id == buyer)
        await connection.execute(mine.values(created_ms=now_ms - seconds * 1000))


async def test_an_account_must_be_as_old_as_the_terms_say(api: Api) -> None:
    drop_id = await gather(api, opens_in_ms=3_600_000, account_age_s=30 * DAY_S)
    shown = (await api.get(f"/v1/drops/{drop_id}/line")).body
    assert (shown["account_age_s"], shown["challenge"]) == (30 * DAY_S, 0)
    await known_since(api, "old", 31 * DAY_S)
    await known_since(api, "new", 29 * DAY_S)
    # when
    old, new = await join(api, drop_id, "old"), await join(api, drop_id, "new")
    stranger = await join(api, drop_id, "stranger")  # a token without any login
    # then
    assert (old.status, old.body["index"]) == (201, 0)
    assert (new.status, new.code) == (403, "account_too_new")
    assert 0 < new.body["until_ms"] - shown["server_ms"] <= DAY_S * 1_000 + 5_000
    assert (stranger.status, stranger.code) == (403, "account_too_new")
    assert await api.deployment.engine.line.place(drop_id, "new") is None
    # and: the terms are within bounds
    wrong = {"account_age_s": MAX_AGE_S + 1}
    path = f"/v1/admin/drops/{drop_id}/line"
    assert (await api.post(path, wrong, by=api.boss)).body["field"] == "account_age_s"


async def test_the_terms_stay_although_the_writer_is_behind(api: Api) -> None:
    drop_id = await gather(api, opens_in_ms=3_600_000)  # no writer: SQL has it as a draft still
    path = f"/v1/admin/drops/{drop_id}/line"
    before = (await api.get(path, by=api.boss)).body
    for changed in ({"account_age_s": DAY_S}, {"account_age_s": DAY_S, "rate_per_s": 7}):
        # when
        refused = await api.post(path, changed, by=api.boss)
        # then
        assert (refused.status, refused.code) == (409, "line_opened"), changed
        assert (await api.get(path, by=api.boss)).body == before
    assert (await join(api, drop_id, "ann")).status == 201
    assert (await api.post(path, {}, by=api.boss)).status == 200  # the same terms


async def test_nobody_of_the_shop_enters(api: Api) -> None:
    line = await gather(api, opens_in_ms=3_600_000)
    draw = await prepare(api, "draw", units=2, opens_in_ms=3_600_000, turn_ms=600_000)
    # given a host, an assistant, and an operator who says which account is their own
    room_ids = []
    for host in ("host", "formerly"):
        new = {"title": "Tea tonight", "host": host, "starts_ms": FAR_MS}
        room_ids.append((await api.post("/v1/rooms", new, by=api.boss)).body["room_id"])
    async with database.transaction(api.deployment.sql) as connection:
        await add_member(connection, room_ids[0], "maid", ASSISTANT, 0)
        await add_member(connection, room_ids[1], "helper", ASSISTANT, 0)
        is_old = update(rooms).where(rooms.c.room_id == room_ids[1])
        await connection.execute(is_old.values(state=RoomState.ENDED, ended_ms=1))
    said = await api.ask("PUT", "/v1/admin/insiders/olga", {"note": "operator"}, by=api.boss)
    assert (said.status, said.body["note"]) == (200, "operator")
    again = await api.ask("PUT", "/v1/admin/insiders/olga", {"note": "owner"}, by=api.boss)
    assert again.body["created_ms"] == said.body["created_ms"]
    # then
    for name in ("host", "maid", "olga"):
        refused = await join(api, line, name)
        assert (refused.status, refused.code) == (403, "insider"), name
        assert (await enter(api, draw, name)).code == "insider", name
    for name in ("ann", "formerly", "helper"):
        assert (await join(api, line, name)).status == 201, name
    # and: the list says whom operators have named
    listed = (await api.get("/v1/admin/insiders", by=api.boss)).body["insiders"]
    assert [(one["buyer_id"], one["note"]) for one in listed] == [("olga", "owner")]
    # when the list is made shorter
    assert (await api.delete("/v1/admin/insiders/olga", by=api.boss)).status == 200
    assert (await api.delete("/v1/admin/insiders/olga", by=api.boss)).code == "unknown_insider"
    assert (await join(api, line, "olga")).status == 201
    # and when it has somebody with a place: that stays, but there is no new one for it
    await api.ask("PUT", "/v1/admin/insiders/helper", {}, by=api.boss)
    assert (await join(api, line, "helper")).status == 200
    await api.delete(f"/v1/drops/{line}/line", by=api.buyer("helper"))
    assert (await join(api, line, "helper")).code == "insider"


async def test_a_worker_that_has_just_seen_no_line_asks_for_its_terms(api: Api) -> None:
    drop_id = await api.open_drop(ticket_required=True, buyer_limit=1, allotted=1)
    await api.ask("PUT", "/v1/admin/insiders/olga", {}, by=api.boss)
    given = (await ticket(api, drop_id, "bob")).body["ticket"]  # it looks for a line
    assert (await reserve(api, drop_id, "bob", given)).status == 201
    # when another worker puts a waitlist in front
    view = LineView(api.deployment, api.app[PARTS][CatalogueView])
    made = await LineDrafts(api.deployment, view).put(drop_id, NewLine(LineMode.WAITLIST))
    assert made.state == "open"
    # then nobody of the shop slips in
    assert (await join(api, drop_id, "olga")).code == "insider"
    assert (await join(api, drop_id, "ann")).status == 201


async def test_the_list_of_insiders_has_an_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_INSIDERS == 1_000
    for method in ("PUT", "DELETE"):
        odd = await api.ask(method, f"/v1/admin/insiders/{'a' * 65}", by=api.boss)
        assert (odd.status, odd.code) == (404, "unknown_buyer")
    monkeypatch.setattr("livesale.line.insiders.MAX_INSIDERS", 1)
    path = "/v1/admin/insiders/{}"
    assert (await api.ask("PUT", path.format("a"), {}, by=api.boss)).status == 200
    full = await api.ask("PUT", path.format("b"), {}, by=api.boss)
    assert (full.status, full.code) == (409, "too_many_insiders")
    assert (await api.ask("PUT", path.format("a"), {"note": "x"}, by=api.boss)).status == 200


async def test_a_draw_asks_for_the_challenge_when_somebody_enters(api: Api) -> None:
    drop_id = await prepare(api, "draw", units=2, opens_in_ms=3_600_000, turn_ms=600_000)
    path = f"/v1/drops/{drop_id}"
    assert (await enter(api, drop_id, "early")).status == 201
    made = await api.post(f"/v1/admin{path[3:]}/challenge", {"difficulty": 50}, by=api.boss)
    assert made.status == 200
    # then: a new entry needs a solution, one that stands does not

    async def is_known() -> bool:
        return bool((await api.get(f"{path}/line")).body["challenge"] == 50)

    await until(is_known)
    asked = await enter(api, drop_id, "ann")
    assert (asked.status, asked.code) == (403, "challenge_required")
    assert (await enter(api, drop_id, "early")).status == 200
    # when
    solution = {"altcha": solve(asked.body["challenge"])}
    other = await api.post(f"{path}/entries", solution, by=api.buyer("bob"))
    mine = await api.post(f"{path}/entries", solution, by=api.buyer("ann"))
    again = await api.post(f"{path}/entries", solution, by=api.buyer("ann"))
    # then
    assert (other.status, other.code) == (403, "challenge_required")
    assert (mine.status, again.status) == (201, 200)
    assert mine.body["index"] == again.body["index"]
