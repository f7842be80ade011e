"""What a lucky bag may ask of those who enter: a phrase that was said, some time in the room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.bags.service import Bags
from livesale.rooms.bags.store import Bag, running_bags
from livesale.rooms.keys import RoomKeys
from livesale.rooms.members import Members
from tests.livesale.api import outdate
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_stage
from tests.servers import Valkey

PHRASE = "我要福袋 Ok"
BAG = {"title": "Luck", "places": 2, "countdown_s": 600, "coupon": "20 off", "phrase": PHRASE}


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    flags = {
        "live__people_ms": 60_000,
        "live__comment_ms": 600_000,
        "live__comments_per_s": 0.1,
        "limits__buyer_per_s": 1_000.0,
        "limits__buyer_burst": 1_000,
    }
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        yield stage


async def open_bag(show: Show, **changes: Any) -> str:
    return str((await show.act("bags", BAG | changes))["bag_id"])


async def uncrowd(show: Show, redis: Redis) -> None:
    """As if nobody had spoken for a while."""
    await redis.hdel(RoomKeys.of(show.room_id).room_key, "crowded_ms")


async def say(show: Show, name: str, text: str) -> Any:
    return await show.api.post(f"{show.path}/comments", {"text": text}, by=show.api.buyer(name))


async def enter(show: Show, bag_id: str, name: str) -> Any:
    return await show.api.post(f"{show.path}/bags/{bag_id}/entries", by=show.api.buyer(name))


async def unfinished(stage: Deployment) -> list[Bag]:
    async with session(stage.sql) as connection:
        return await running_bags(connection, 10)


async def test_who_has_said_the_phrase_enters(on_air: Show, redis: Redis) -> None:
    # given a viewer who said it before the bag was opened
    show = on_air
    viewer = await show.viewer(name="ann")
    assert (await say(show, "ann", PHRASE)).status == 201
    bag_id = await open_bag(show)
    assert (await viewer.until("bag.opened"))["bag"]["phrase"] == PHRASE
    assert (await enter(show, bag_id, "ann")).code == "phrase_missing"
    # when she says something else, or more than the phrase, then that is not it
    await uncrowd(show, redis)
    assert (await say(show, "ann", f"no {PHRASE}")).status == 201
    assert (await enter(show, bag_id, "ann")).code == "phrase_missing"
    # when she says it, in whatever dress, then she is in, and nobody else is
    await uncrowd(show, redis)
    await viewer.send({"type": "comment", "text": " 我要福袋！ＯＫ!", "ref": "p"})
    assert (await viewer.until("commented"))["comment_id"] == 3
    assert (await enter(show, bag_id, "ann")).status == 201
    assert (await enter(show, bag_id, "ann")).status == 200
    assert (await enter(show, bag_id, "bob")).code == "phrase_missing"


async def test_a_phrase_that_was_refused_does_not_count(on_air: Show, redis: Redis) -> None:
    # given somebody who is muted, somebody banned, and somebody who has said all that one may
    show = on_air
    for name, bar in (("ann", "mutes"), ("bob", "bans")):
        await show.act(bar, {"person_id": show.person(name), "seconds": 600})
    for _ in range(3):
        await uncrowd(show, redis)
        assert (await say(show, "cat", "hello")).status == 201
    bag_id = await open_bag(show)
    # when they say the phrase, then it is refused, and they are not in
    for name, said, entered in (
        ("ann", "muted", "phrase_missing"),
        ("bob", "banned", "banned"),
        ("cat", "slow_down", "phrase_missing"),
    ):
        assert (await say(show, name, PHRASE)).code == said
        assert (await enter(show, bag_id, name)).code == entered


async def test_a_phrase_that_was_taken_back_does_not_count(on_air: Show, redis: Redis) -> None:
    # given two who have said it, of whom one has entered
    show = on_air
    bag_id = await open_bag(show)
    numbers = {}
    for name in ("ann", "bob"):
        await uncrowd(show, redis)
        numbers[name] = (await say(show, name, PHRASE)).body["comment_id"]
    assert (await enter(show, bag_id, "bob")).status == 201
    # when both comments are taken back, by the author and by the host
    for name, by in (("ann", show.api.buyer("ann")), ("bob", show.host)):
        gone = await show.api.delete(f"{show.path}/comments/{numbers[name]}", by=by)
        assert gone.status == 200
    # then who was in is in, and the other has to say it again
    assert (await enter(show, bag_id, "bob")).status == 200
    assert (await enter(show, bag_id, "ann")).code == "phrase_missing"
    await uncrowd(show, redis)
    assert (await say(show, "ann", PHRASE)).status == 201
    assert (await enter(show, bag_id, "ann")).status == 201


async def test_a_crowd_may_say_it_and_few_are_heard(on_air: Show) -> None:
    # given a room in which one may speak in ten seconds
    show = on_air
    viewer = await show.viewer()
    bag_id = await open_bag(show)
    # when thirty say the phrase at once, and thirty something else
    crowd = [f"b{number}" for number in range(30)]
    said = await asyncio.gather(*(say(show, name, PHRASE) for name in crowd))
    other = await asyncio.gather(*(say(show, f"{name}-too", "hi") for name in crowd))
    # then all of them may enter, and the others hear one of them
    assert sorted(answer.status for answer in said) == [201] + [202] * 29
    assert {answer.code for answer in other} == {"slow_down"}
    entered = await asyncio.gather(*(enter(show, bag_id, name) for name in crowd))
    assert {answer.status for answer in entered} == {201}
    await show.act("end")
    await viewer.closed()
    assert viewer.kinds().count("comment") == 1


async def test_both_conditions_have_to_be_met_and_their_times_run_together(
    on_air: Show, stage: Deployment, redis: Redis
) -> None:
    # given a bag for those who stay ten seconds and say the phrase
    show = on_air
    bag_id = await open_bag(show, stay_s=10)
    waiting = RoomKeys.of(show.room_id).waiting_key
    assert (await enter(show, bag_id, "ann")).code == "phrase_missing"
    # when the time is over without the phrase, or the phrase is said too early, one is not in
    now_ms = await stage.engine.now_ms()
    await redis.hset(waiting, "ann", f"{now_ms - 12_000}|{now_ms - 4_000}")
    assert (await enter(show, bag_id, "ann")).code == "phrase_missing"
    assert (await say(show, "bob", PHRASE)).status == 201
    assert (await enter(show, bag_id, "bob")).code == "stay_longer"
    # when the one says it, and the other has stayed, both are
    assert (await say(show, "ann", PHRASE)).status == 202
    await redis.hset(waiting, "bob", f"{now_ms - 12_000}|{now_ms - 4_000}")
    for name in ("ann", "bob"):
        assert (await enter(show, bag_id, name)).status == 201


async def test_a_phrase_for_one_bag_is_none_for_the_next(
    on_air: Show, stage: Deployment, redis: Redis
) -> None:
    # given somebody who has said the phrase of a bag that is over
    show = on_air
    await open_bag(show, countdown_s=1)
    assert (await say(show, "ann", PHRASE)).status == 201
    parts = show.api.app[PARTS]
    while True:
        next_bag = await show.api.post(f"{show.path}/bags", BAG, by=show.host)
        if next_bag.status == 201:
            break
        assert next_bag.code == "bag_running"
        for bag in await unfinished(stage):
            await parts[Bags]._draws.advance(bag)
        await asyncio.sleep(0.05)
    # then she has not said that of the next
    assert (await enter(show, next_bag.body["bag_id"], "ann")).code == "phrase_missing"


@pytest.mark.parametrize("phrase", ["🎁🎁", "\u2066", "长" * 101, "加 微信 福袋"])
async def test_a_phrase_that_nobody_could_say_is_refused(on_air: Show, phrase: str) -> None:
    body = BAG | {"phrase": phrase}
    refused = await on_air.api.post(f"{on_air.path}/bags", body, by=on_air.host)
    assert (refused.status, refused.body["field"]) == (422, "phrase")


async def test_who_runs_the_room_does_not_enter(on_air: Show) -> None:
    show = on_air
    bag_id = await open_bag(show, phrase=None)
    await show.put(f"assistants/{show.person('maid')}", by=show.host)
    outdate(show.api.app[PARTS][Members]._assistants)
    for name in ("host", "maid"):
        assert (await enter(show, bag_id, name)).code == "own_bag"
    assert (await enter(show, bag_id, "ann")).status == 201
