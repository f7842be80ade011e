"""A room where only the team comments."""

from redis.asyncio import Redis

from livesale.rooms.keys import RoomKeys
from tests.livesale.rooms.conftest import Show
from tests.waiting import until


async def say(show: Show, name: str, text: str = "hello") -> tuple[int, str]:
    by = show.api.buyer(name)
    reply = await show.api.post(f"{show.path}/comments", {"text": text}, by=by)
    return reply.status, reply.code if reply.status >= 400 else ""


async def test_only_the_team_comments_while_all_are_muted(on_air: Show, redis: Redis) -> None:
    # given a room with an assistant and a viewer, when the assistant mutes all
    show = on_air
    await show.put(f"assistants/{show.person('maid')}", by=show.host)
    ann = await show.viewer(name="ann")
    for _ in range(2):
        muted = await show.act("mute-all", by=show.api.buyer("maid"))
        assert muted["muted"] is True
    # then viewers are told, newcomers see it, and the team is heard
    await ann.until("room.changed", muted=True)
    newcomer = await show.viewer()

    async def is_seen() -> bool:  # a snapshot may be a second old: the event follows it
        return newcomer.room.get("muted") is True

    await until(is_seen)
    assert await say(show, "ann") == (403, "room_muted")
    await ann.send({"type": "comment", "text": "but", "ref": "x"})
    assert (await ann.until("error"))["code"] == "room_muted"
    assert await say(show, "host") == (201, "")
    assert await say(show, "maid") == (201, "")
    # and so it is when Redis has lost the room
    for key in RoomKeys.of(show.room_id).named().values():
        await redis.unlink(key)
    assert await say(show, "ann") == (403, "room_muted")
    # and what looks like it in a title mutes nobody
    await show.act("unmute-all", by=show.api.boss)
    title = {"title": 'x,"muted":true,'}
    assert (await show.api.ask("PATCH", show.path, title, by=show.host)).status == 200
    assert await say(show, "ann") == (201, "")
    # and it is none of a viewer's, and of no room that is over; the record has it once
    reply = await show.api.post(f"{show.path}/mute-all", by=show.api.buyer("ann"))
    assert reply.code == "not_yours"
    await show.act("end")
    assert (await show.api.post(f"{show.path}/mute-all", by=show.host)).code == "room_over"
    path = f"/v1/admin/actions?object_id={show.room_id}"
    found = (await show.api.get(path, by=show.api.viewer)).body["actions"]
    made = [one for one in found if one["action"].endswith("/mute-all") and one["after"]]
    assert len(made) == 1


async def test_the_phrase_of_a_lucky_bag_counts_and_is_not_shown(on_air: Show) -> None:
    # given a bag with a phrase, in a room where all are muted
    show = on_air
    bag = {"title": "Luck", "places": 1, "countdown_s": 60, "coupon": "x", "phrase": "tea"}
    bag_id = (await show.act("bags", bag))["bag_id"]
    await show.act("mute-all")
    # when somebody says it, then that counts, and nobody sees it
    assert await say(show, "ann", "tea") == (202, "")
    assert await say(show, "ann", "other") == (403, "room_muted")
    entered = await show.api.post(f"{show.path}/bags/{bag_id}/entries", by=show.api.buyer("ann"))
    assert entered.status == 201
    viewer = await show.viewer()
    assert (await viewer.until("snapshot"))["comments"] == []
