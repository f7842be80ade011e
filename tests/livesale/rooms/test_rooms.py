"""Rooms over HTTP: their life, who may do what, the shelf, heartbeats."""

import asyncio

import pytest
from redis.asyncio import Redis

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.rooms import store
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.people.scripts import NOBODY
from livesale.rooms.states import LIVE_STATUS, MOVES, RoomState, Verb
from livesale.validation.refusals import RoomRefused
from stock.ids import new_id
from tests.livesale.api import FAR_MS
from tests.livesale.catalogue.drawn import picture
from tests.livesale.later import later_version
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import reserve, running, until_written
from tests.waiting import until


def test_every_state_has_wechat_s_number() -> None:
    assert sorted(LIVE_STATUS.values()) == [101, 102, 103, 104, 105, 106, 107]
    assert set(LIVE_STATUS) == set(RoomState)


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("state", list(RoomState))
async def test_a_step_leads_from_its_states_and_from_no_other(
    show: Show, copy: RoomCopy, state: RoomState, verb: Verb
) -> None:
    # given a room in a state
    stage = show.api.deployment
    async with session(stage.sql, write=True) as connection:
        await store.move_room(connection, show.room_id, ["scheduled"], state, 1)
    before, after = MOVES[verb]
    # when the step is taken, then it leads on, is a replay, or is refused
    if state in before or state == after:
        room = await RoomLifecycle(stage, copy).act(show.room_id, verb)
        assert room.state == after
        assert room.version == (3 if state in before else 2)
    else:
        with pytest.raises(RoomRefused) as refused:
            await RoomLifecycle(stage, copy).act(show.room_id, verb)
        over = state in (RoomState.ENDED, RoomState.EXPIRED)
        assert refused.value.code == ("room_over" if over else "room_state")


async def test_hosts_and_operators_run_a_room_and_nobody_else(show: Show) -> None:
    api = show.api
    for by, status in (
        (None, 401),
        (api.buyer("ann"), 403),
        (api.viewer, 403),
        (show.host, 200),
        (api.boss, 200),
    ):
        reply = await api.post(f"{show.path}/start", by=by)
        assert reply.status == status, reply.body
    assert (await api.post(f"{show.path}/ban", by=show.host)).code == "forbidden"
    assert (await api.post(f"{show.path}/ban", by=api.boss)).body["live_status"] == 104


async def test_assistants_fill_the_shelf_and_do_not_run_the_room(show: Show) -> None:
    api, ann, person_id = show.api, show.api.buyer("ann"), show.person("ann")
    assert (await show.put(f"assistants/{person_id}", by=show.host))["assistants"] == [person_id]
    sku = await api.post("/v1/admin/skus", {"title": "Tea", "price_fen": 100}, by=api.boss)
    new = {"sku_id": sku.body["sku_id"]}
    assert (await api.post(f"{show.path}/items", new, by=ann)).status == 201
    assert (await api.post(f"{show.path}/start", by=ann)).code == "not_yours"
    assert (await api.post(f"{show.path}/items", new, by=api.buyer("bob"))).code == "not_yours"
    gone = await api.delete(f"{show.path}/assistants/{person_id}", by=show.host)
    assert gone.body["assistants"] == []


async def test_a_room_is_found_listed_and_edited(show: Show) -> None:
    api = show.api
    await show.act("start")
    listed = await api.get("/v1/rooms?state=live")
    assert [room["room_id"] for room in listed.body["rooms"]] == [show.room_id]
    edited = await api.ask("PATCH", show.path, {"title": "Later"}, by=show.host)
    assert (edited.body["title"], edited.body["version"]) == ("Later", 3)
    # also by a client that has no PATCH
    posted = await api.post(show.path, {"title": "Earlier"}, by=show.host)
    assert (posted.status, posted.body["title"], posted.body["version"]) == (200, "Earlier", 4)
    assert (await api.get("/v1/rooms/rnosuch")).code == "unknown_room"
    await show.act("end")
    refused = await api.ask("PATCH", show.path, {"title": "Too late"}, by=show.host)
    assert refused.code == "room_over"


async def test_the_shelf_is_filled_ordered_and_explained(show: Show) -> None:
    # given a viewer, and three items of which one is hidden
    api = show.api
    await show.act("start")
    viewer = await show.viewer()
    await viewer.until("snapshot")
    sku = await api.post("/v1/admin/skus", {"title": "Tea", "price_fen": 100}, by=api.boss)
    ids = []
    for state in ("visible", "on_sale", "hidden"):
        new = {"sku_id": sku.body["sku_id"], "title": state, "state": state}
        ids.append((await show.act("items", new))["item_id"])
    # when they are ordered, two are explained, and the second is hidden
    shelf = await show.put("order", {"item_ids": ids[::-1]}, by=show.host)
    await show.act(f"items/{ids[0]}/pin")
    await show.act(f"items/{ids[1]}/pin")
    hidden = await api.post(f"{show.path}/items/{ids[2]}/pin", by=show.host)
    await api.ask("PATCH", f"{show.path}/items/{ids[1]}", {"state": "hidden"}, by=show.host)
    removed = await viewer.until("item.removed", item_id=ids[1])
    # then viewers see what they may
    assert [item["item_id"] for item in shelf["items"]] == ids[::-1]
    assert hidden.code == "item_hidden"
    seen = (await api.get(f"{show.path}/items")).body
    assert [item["item_id"] for item in seen["items"]] == [ids[0]]
    assert seen["pinned"] is None
    assert seen["version"] == removed["version"]
    assert ids[2] not in str([m for m in viewer.messages if m["type"] != "item.removed"])
    pins = [m["item"]["item_id"] for m in viewer.messages if m["type"] == "item.pinned"]
    assert pins == ids[:2]
    assert viewer.faults == []
    # and the recording can be cut
    marks = (await api.get(f"{show.path}/marks")).body["marks"]
    assert [mark["item_id"] for mark in marks] == ids[:2]
    assert all(mark["ended_ms"] >= mark["began_ms"] for mark in marks)


async def test_a_change_for_another_version_is_refused(show: Show) -> None:
    api = show.api
    sku = await api.post("/v1/admin/skus", {"title": "Tea", "price_fen": 100}, by=api.boss)
    item = await show.act("items", {"sku_id": sku.body["sku_id"]})
    path = f"{show.path}/items/{item['item_id']}"
    good = await api.ask("PATCH", path, {"title": "A", "version": 2}, by=show.host)
    late = await api.ask("PATCH", path, {"title": "B", "version": 2}, by=show.host)
    assert (good.status, late.code) == (200, "version_conflict")


async def test_changes_at_once_leave_redis_like_sql(show: Show, copy: RoomCopy) -> None:
    # given a viewer, when twenty items come at the same time
    viewer = await show.viewer()
    await viewer.until("snapshot")
    api = show.api
    sku = await api.post("/v1/admin/skus", {"title": "Tea", "price_fen": 100}, by=api.boss)
    new = {"sku_id": sku.body["sku_id"], "state": "visible"}
    await asyncio.gather(*(show.act("items", new) for _ in range(20)))
    # then Redis has what SQL has, and the viewer missed nothing
    shelf = (await api.get(f"{show.path}/items")).body
    image = await copy.gateway.image(show.room_id)
    assert image is not None
    assert (image.version, len(image.items)) == (shelf["version"], len(shelf["items"])) == (21, 20)

    def told() -> bool:
        return viewer.offset == image.offset

    await until(told)
    assert viewer.faults == []


async def test_a_silent_host_makes_a_room_abnormal_and_then_ends_it(
    show: Show, keeper: RoomKeeper
) -> None:
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await show.act("start")

    async def state() -> str:
        return str(viewer.room["state"])

    async def is_abnormal() -> bool:
        return await state() == "abnormal"

    async def is_over() -> bool:
        return await state() == "ended"

    await until(is_abnormal)
    # when the host is back, the room is live at once
    back = await show.act("heartbeat")
    assert back["state"] == "live"
    # when it goes for good, the room ends
    await until(is_over)


async def test_a_silent_host_of_a_paused_room_comes_back_to_the_pause(
    show: Show, keeper: RoomKeeper
) -> None:
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await show.act("start")
    await show.act("pause")

    async def missed() -> None:
        def is_abnormal() -> bool:
            return viewer.room["state"] == "abnormal"

        await until(is_abnormal)

    # when the host was silent, and is heard of again, then the pause goes on
    await missed()
    assert (await show.act("heartbeat"))["state"] == "paused"
    # when it resumes as the first that is heard of it, then the room is live
    await missed()
    assert (await show.act("resume"))["state"] == "live"
    # and abnormal from there, it is live again
    await missed()
    assert (await show.act("heartbeat"))["state"] == "live"
    # when the host goes for good in a pause, the room ends
    await show.act("pause")
    await missed()
    assert await viewer.closed() == [CLOSES["room_over"].code]


async def test_a_ban_that_is_lifted_gives_the_host_time_to_come_back(
    show: Show, copy: RoomCopy, redis: Redis
) -> None:
    # given a banned room whose host was not heard of for long
    await show.act("start")
    await show.act("ban", by=show.api.boss)
    await redis.hset(RoomKeys.of(show.room_id).room_key, "beat_ms", 1)
    # when the ban is lifted, then the silence begins anew
    await show.act("unban", by=show.api.boss)
    counted = await copy.people.report(show.room_id, NOBODY, tick_ms=1)
    assert counted is not None and counted.silence_ms < 1_000_000


async def test_a_room_that_redis_lost_comes_back_with_its_shelf_and_drops(
    show: Show, keeper: RoomKeeper
) -> None:
    # given a viewer of a room with an item and an open drop
    api = show.api
    await show.act("start")
    drop_id = await show.drop(allotted=5)
    item = await show.act("items", {"drop_id": drop_id, "state": "on_sale"})
    viewer = await show.viewer(stays=True)
    await viewer.until("snapshot")
    epoch = viewer.epoch
    # when the room's keys are gone
    keys = [key async for key in api.deployment.redis.scan_iter(f"ls:{{{show.room_id}}}:*")]
    await api.deployment.redis.unlink(*keys)

    # then it is made again, and the viewer sees all of it, under a new epoch
    def is_back() -> bool:
        return viewer.epoch != epoch and drop_id in viewer.drops

    await until(is_back)
    last = [m for m in viewer.messages if m["type"] == "snapshot"][-1]
    assert [found["item_id"] for found in last["items"]] == [item["item_id"]]
    assert viewer.faults == []


async def test_a_drop_belongs_to_one_room_and_is_opened_in_it(show: Show) -> None:
    api = show.api
    drop_id = await show.drop()
    other = await api.post(
        "/v1/rooms", {"title": "B", "host": "host", "starts_ms": 4_000_000_000_000}, by=api.boss
    )
    path = f"/v1/rooms/{other.body['room_id']}/drops/{drop_id}"
    assert (await api.ask("PUT", path, by=api.boss)).code == "other_room"
    assert (await api.post(f"{path}/open", by=show.host)).code == "unknown_drop"
    # nor while the room is not on air
    mine = f"{show.path}/drops/{drop_id}/open"
    assert (await api.post(mine, by=show.host)).code == "room_state"
    await show.act("start")
    assert (await api.post(mine, by=api.buyer("ann"))).code == "not_yours"
    # a second countdown does not count
    first = await show.act(f"drops/{drop_id}/open", {"countdown_s": 60})
    second = await show.act(f"drops/{drop_id}/open", {"countdown_s": 5})
    assert first["opens_ms"] == second["opens_ms"]
    assert first["room_id"] == show.room_id


async def test_a_restock_from_the_room_is_done_once(show: Show, keeper: RoomKeeper) -> None:
    await show.act("start")
    viewer = await show.viewer()
    drop_id = await show.drop(allotted=2, buyer_limit=2)
    await show.act(f"drops/{drop_id}/open")
    await show.api.reserve(drop_id, quantity=2)
    await viewer.until("drop.sold_out")
    body = {"units": 3, "reason": "one more box"}
    for _ in range(2):
        await show.act(f"drops/{drop_id}/restock", body, Idempotency_Key="k")
    back = (await viewer.until("drop.returned"))["drop"]
    assert (back["remaining"], back["allotted"]) == (3, 5)


async def test_a_room_goes_on_while_a_later_version_sells(show: Show, keeper: RoomKeeper) -> None:
    # given a drop on air, and workers of a later version beside a keeper of this one
    await show.act("start")
    viewer = await show.viewer()
    drop_id = await show.drop(allotted=2, buyer_limit=2)
    await show.act(f"drops/{drop_id}/open")
    await viewer.until("drop.open")
    later = later_version(show.api.deployment)
    # when they sell, then viewers are told what came of it
    await reserve(later, drop_id, ["ann", "bob"])
    assert (await viewer.until("drop.sold_out"))["drop"]["drop_id"] == drop_id
    await later.engine.adjust_drop(drop_id, new_id(), 3, "one more box")
    assert (await viewer.until("drop.returned"))["drop"]["remaining"] == 3


async def test_a_drop_may_be_made_for_a_room_and_its_claims_know_it(show: Show) -> None:
    api = show.api
    await show.act("start")
    made = await api.create_drop(room_id=show.room_id)
    await show.act(f"drops/{made['drop_id']}/open")
    held = await api.reserve(made["drop_id"])
    other_lane = await api.post(
        f"/v1/drops/{made['drop_id']}/reservations", by=api.buyer("bob"), Connection="close"
    )
    for reply in (held, other_lane):
        assert (reply.status, reply.body["room_id"]) == (201, show.room_id)
    path = f"/v1/reservations/{held.body['reservation_id']}"
    for known in (await api.get(path, by=api.buyer()), await api.delete(path, by=api.buyer())):
        assert known.body["room_id"] == show.room_id
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    order = await api.get(f"/v1/orders/{held.body['order_id']}", by=api.buyer())
    assert order.body["room_id"] == made["room_id"] == show.room_id
    wrong = {name: made[name] for name in ("campaign_id", "sku_id", "price_fen", "allotted")}
    wrong |= {"buyer_limit": 1, "hold_ms": 1_000, "room_id": "rnosuch"}
    refused = await api.post("/v1/admin/drops", wrong, by=api.boss)
    assert (refused.code, refused.body["field"]) == ("invalid_field", "room_id")


async def test_long_polls_get_the_same_events(show: Show) -> None:
    # given a client without sockets, and one with
    api = show.api
    viewer = await show.viewer()
    await viewer.until("snapshot")
    first = (await api.get(f"{show.path}/events")).body
    assert first["snapshot"]["room"]["room_id"] == show.room_id
    place = f"epoch={first['epoch']}&after={first['after']}"
    # when it waits, and something happens
    waiting = asyncio.create_task(api.get(f"{show.path}/events?{place}&wait_ms=10000"))
    await asyncio.sleep(0.05)
    await show.act("start")
    page = (await waiting).body
    # then it gets what the other got
    changed = await viewer.until("room.changed")
    assert page["snapshot"] is None
    assert page["events"] == [changed]
    assert page["after"] == changed["offset"]
    # and nothing twice
    place = f"epoch={page['epoch']}&after={page['after']}"
    again = (await api.get(f"{show.path}/events?{place}")).body
    assert (again["events"], again["after"]) == ([], page["after"])


async def test_an_uploaded_picture_is_the_cover_and_the_hosts_face(show: Show) -> None:
    api = show.api
    kind = {"Content_Type": "application/octet-stream"}
    made = await api.post("/v1/admin/pictures", raw=picture(), by=api.boss, **kind)
    url = made.body["sizes"]["large"]["webp"]
    assert url.startswith("/media/")
    # when a room gets it, then viewers see it
    given = {"cover_url": url, "host_avatar_url": url}
    assert (await api.ask("PATCH", show.path, given, by=api.boss)).status == 200
    [seen] = (await api.get("/v1/admin/rooms", by=api.boss)).body["rooms"]
    assert (seen["room"]["cover_url"], seen["room"]["host_avatar_url"]) == (url, url)
    new = {"title": "x", "host": "h", "starts_ms": FAR_MS} | given
    assert (await api.post("/v1/rooms", new, by=api.boss)).body["cover_url"] == url
    # and other paths of this host, and other hosts, are refused
    for wrong in ("/media/../v1/time", "//evil.example/x.webp", "/media/x.svg", "http://a/b"):
        for field in given:
            refused = await api.ask("PATCH", show.path, {field: wrong}, by=api.boss)
            assert refused.status == 422, (field, wrong)
    stranger = {"host_avatar_url": "https://evil.example/x.webp"}
    assert (await api.ask("PATCH", show.path, stranger, by=api.boss)).code == "invalid_field"


async def test_operators_find_the_rooms_that_they_host(show: Show) -> None:
    api, olga = show.api, show.api.signer.operator("olga", ["operator"])

    async def mine(by: str) -> list[str]:
        found = await api.get("/v1/admin/rooms?mine=true", by=by)
        assert all(one["mine"] for one in found.body["rooms"])
        return [one["room"]["room_id"] for one in found.body["rooms"]]

    assert await mine(olga) == []
    # when one takes a seat, twice
    for _ in range(2):
        assert (await api.ask("PUT", f"{show.path}/seat", by=olga)).status == 200
    # then it is hers from whatever browser, and of nobody else
    assert await mine(olga) == [show.room_id]
    assert await mine(api.boss) == []
    everything = (await api.get("/v1/admin/rooms", by=api.boss)).body["rooms"]
    assert [one["mine"] for one in everything] == [False]
    # when she leaves it
    for _ in range(2):
        assert (await api.delete(f"{show.path}/seat", by=olga)).status == 200
    assert await mine(olga) == []
    assert (await api.ask("PUT", "/v1/rooms/rnothing/seat", by=olga)).code == "unknown_room"
    assert (await api.ask("PUT", f"{show.path}/seat", by=api.viewer)).code == "forbidden"
