"""Rooms that never began, their drops, and lists of rooms."""

from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.rooms.keys import RoomKeys
from livesale.rooms.people.presence import Presence
from livesale.rooms.viewers import viewers_of
from stock.connection import connect
from tests.livesale.api import FAR_MS
from tests.livesale.rooms.conftest import Show
from tests.waiting import until


async def make(show: Show, title: str = "Tea", **changes: Any) -> Show:
    body = {"title": title, "host": "host", "starts_ms": FAR_MS} | changes
    made = await show.api.post("/v1/rooms", body, by=show.api.boss)
    return Show(show.api, made.body["room_id"], show.session)


async def remove(show: Show, query: str = "") -> Any:
    return await show.api.delete(f"{show.path}{query}", by=show.api.boss)


async def test_a_room_that_never_began_is_deleted_with_what_was_prepared(
    show: Show, redis: Redis
) -> None:
    # given a scheduled room with a shelf and a team, a drop, and somebody who waits there
    viewer = await show.viewer()
    drop_id = await show.drop()
    item = await show.act("items", {"drop_id": drop_id})
    await show.put(f"assistants/{show.person('maid')}", by=show.host)
    before = (await show.api.get("/v1/admin/rooms?q=tea", by=show.api.viewer)).body["rooms"]
    # when it is to be deleted, then the drop keeps it, and the shelf keeps the drop
    assert (await remove(show)).code == "in_use"
    path = f"{show.path}/drops/{drop_id}"
    assert (await show.api.delete(path, by=show.api.boss)).code == "in_use"
    assert (await show.api.delete(f"/v1/admin/drops/{drop_id}", by=show.api.boss)).code == "in_use"
    await show.api.delete(f"{show.path}/items/{item['item_id']}", by=show.host)
    # when the drop is taken back, then viewers are told, once
    for _ in range(2):
        back = await show.api.delete(path, by=show.api.boss)
        assert (back.status, back.body["room_id"]) == (200, None)
    await viewer.until("drop.removed", drop_id=drop_id)
    newcomer = await show.viewer()
    await newcomer.until("snapshot")

    async def is_gone() -> bool:  # the snapshot may be a second old: the event follows it
        return newcomer.drops == {}

    await until(is_gone)
    assert (await show.api.delete(f"/v1/admin/drops/{drop_id}", by=show.api.boss)).status == 200
    # and the room goes, by its version, and all in it is told
    assert (await remove(show, f"?version={before[0]['room']['version']}")).code == (
        "version_conflict"
    )
    assert (await remove(show)).status == 200
    assert await viewer.closed() == [4410]
    assert viewer.kinds().count("drop.removed") == 1
    assert (await show.api.get("/v1/admin/rooms?q=tea", by=show.api.viewer)).body["rooms"] == []
    assert (await remove(show)).code == "unknown_room"
    assert await redis.pttl(RoomKeys.of(show.room_id).room_key) > 0
    # and a room that has begun stays
    begun = await make(show)
    await begun.act("start")
    assert (await remove(begun)).code == "room_state"
    await begun.act("end")
    assert (await remove(begun)).code == "room_state"


async def test_a_change_of_a_draft_is_seen_in_its_room(show: Show) -> None:
    # given a draft on the shelf of a room, once with its own price and once with another
    viewer = await show.viewer()
    drop_id = await show.drop()
    shown = {"drop_id": drop_id, "state": "on_sale"}
    first = await show.act("items", shown)
    second = await show.act("items", shown | {"price_fen": 5})
    drop = (await show.api.get(f"/v1/admin/drops/{drop_id}", by=show.api.viewer)).body
    # when its price is changed
    body = {"version": drop["version"], "price_fen": 777}
    path = f"/v1/admin/drops/{drop_id}"
    assert (await show.api.ask("PATCH", path, body, by=show.api.boss)).status == 200
    # then the room and the shelf show it
    await viewer.until("drop.prepared", price_fen=777)
    items = (await show.api.get(f"{show.path}/items")).body["items"]
    prices = {item["item_id"]: item["price_fen"] for item in items}
    assert prices == {first["item_id"]: 777, second["item_id"]: 5}
    # and an edit of the room for an older version is refused
    edit = {"title": "New", "version": 1}
    conflict = await show.api.ask("PATCH", show.path, edit, by=show.host)
    assert (conflict.status, conflict.code) == (409, "version_conflict")


async def test_rooms_of_several_states_come_in_one_list_with_their_viewers(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given rooms in several states, one of them with a viewer
    monkeypatch.setattr(show.api.app[PARTS][Presence], "_tick_ms", 10)
    live, paused, over = [await make(show, title) for title in ("Live", "Paused", "Over")]
    for room in (live, paused, over):
        await room.act("start")
    await paused.act("pause")
    await over.act("end")
    watching = await live.viewer()
    expected = [live.room_id, paused.room_id, show.room_id]

    async def listed(query: str) -> list[dict[str, Any]]:
        found, after = [], ""
        while True:
            page = (await show.api.get(f"/v1/rooms?{query}&limit=1&after={after}")).body
            found += page["rooms"]
            if page["next"] is None:
                return found
            after = page["next"]

    # then one list has them, what is live first, page by page
    rooms = await listed("states=scheduled,live,paused")
    assert [room["room_id"] for room in rooms] == expected

    async def is_counted() -> bool:
        return [room["online"] for room in await listed("states=live,scheduled")] == [1, 0]

    await until(is_counted)
    assert [room["room_id"] for room in await listed("state=ended")] == [over.room_id]
    assert (await show.api.get("/v1/rooms?states=live,odd")).code == "invalid_parameter"
    # and operators find them by what they know
    for query, wanted in (
        ("q=PAUSED", [paused]),
        ("host=host&states=ended,live", [over, live]),
        ("host=nobody", []),
        (f"starts_since_ms={FAR_MS + 1}", []),
    ):
        reply = await show.api.get(f"/v1/admin/rooms?{query}", by=show.api.viewer)
        ids = [one["room"]["room_id"] for one in reply.body["rooms"]]
        assert ids == [room.room_id for room in wanted], query
    assert watching.closes == []
    await live.close()


async def test_where_redis_is_away_a_list_of_rooms_has_no_numbers() -> None:
    redis = connect("redis://127.0.0.1:1", connections=1, timeout_s=0.2)
    assert await viewers_of(redis, ["r1", "r2"]) == {"r1": None, "r2": None}
    await redis.aclose()


async def test_operators_find_lucky_bags_of_all_rooms(on_air: Show) -> None:
    # given a bag
    show = on_air
    bag = {"title": "Luck", "places": 1, "countdown_s": 60, "coupon": "20 off"}
    bag_id = (await show.act("bags", bag))["bag_id"]
    # then it is found by filters, without its secrets
    for query, wanted in (
        ("", [bag_id]),
        (f"room_id={show.room_id}&states=open,preparing&q=LUCK", [bag_id]),
        ("states=void", []),
        ("room_id=rnosuch", []),
    ):
        reply = await show.api.get(f"/v1/admin/bags?{query}", by=show.api.viewer)
        assert [one["bag"]["bag_id"] for one in reply.body["bags"]] == wanted, query
        assert [one["bag"].get("seed") for one in reply.body["bags"]] == [None] * len(wanted)
    assert (await remove(show)).code == "room_state"
