"""A room's scripts on a real server: what they answer, write, number and send."""

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from livesale.resources import Deployment
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import ItemRef, ItemUnpinned, RoomChanged, RoomView, Stock, StockView
from livesale.rooms.keys import RoomKeys
from livesale.rooms.scripts import ChangeCode, DropNews, RoomGateway, TellCode
from livesale.rooms.service import Rooms
from livesale.rooms.views import view_of_room
from tests.livesale.rooms.viewer import subject_of

NEWS = DropNews("d1", "5-0", "open", 10, 10, 1, 9_999_999_999_999, '"drop_id":"d1","title":"Tea"')


def stock(remaining: int) -> Stock:
    return Stock(stock=StockView("d", remaining, 500))


@pytest.fixture
def gateway(copy: RoomCopy) -> RoomGateway:
    return copy.gateway


async def events_of(gateway: RoomGateway, room_id: str, after: int = 1) -> list[dict[str, Any]]:
    """The events behind the one that made the room."""
    found = await gateway.history(room_id, after, 1_000)
    assert found is not None
    return [msgspec.json.decode(text) for text in found.texts]


async def told(gateway: RoomGateway, room_id: str, **changes: Any) -> TellCode:
    news = msgspec.structs.replace(NEWS, **changes)
    return (await gateway.tell(room_id, news, tick_ms=0))[0]


async def test_events_are_numbered_kept_and_sent_in_one_step(
    gateway: RoomGateway, room_id: str, redis: Redis
) -> None:
    # given somebody who listens
    pubsub = redis.pubsub()
    await pubsub.ssubscribe(RoomKeys.of(room_id).channel_key)
    assert (await pubsub.get_message(timeout=5))["type"] == "ssubscribe"
    # when two events are appended
    first = await gateway.append(room_id, stock(2))
    second = await gateway.append(room_id, ItemUnpinned(item=ItemRef("i"), version=7))
    # then both have the next numbers of one epoch, in the history as on the channel
    assert first is not None and second is not None
    assert (first[0], first[1], second[1]) == (second[0], 2, 3)
    kept = await gateway.history(room_id, 1, 10)
    assert kept is not None
    sent = [(await pubsub.get_message(timeout=5))["data"] for _ in range(2)]
    assert sent == [f"{first[0]} {n} {text}" for n, text in zip((2, 3), kept.texts, strict=True)]
    assert kept.texts[0].startswith('{"offset":2,"type":"stock","at_ms":')
    await pubsub.aclose()  # type: ignore[no-untyped-call]


async def test_the_history_is_bounded(gateway: RoomGateway, room_id: str, redis: Redis) -> None:
    short = RoomGateway(gateway._engine, history=100)
    for number in range(400):
        await short.append(room_id, stock(number))
    found = await gateway.history(room_id, 0, 1_000)
    assert found is not None
    assert 100 <= len(found.texts) < 300
    assert msgspec.json.decode(found.texts[-1])["offset"] == found.offset == 401


async def test_a_room_that_redis_does_not_have(gateway: RoomGateway) -> None:
    assert await gateway.append("rx", stock(1)) is None
    assert await gateway.history("rx", 0, 10) is None
    assert await gateway.image("rx") is None
    assert not await gateway.beat("rx")
    assert await told(gateway, "rx") is TellCode.UNKNOWN_ROOM


async def test_changes_come_in_the_order_of_their_versions(
    gateway: RoomGateway, room_id: str, stage: Deployment, copy: RoomCopy
) -> None:
    room = view_of_room(await Rooms(stage, copy).find(room_id))

    async def change(version: int) -> ChangeCode:
        after: RoomView = msgspec.structs.replace(room, version=version, title=f"v{version}")
        return await gateway.change(after, RoomChanged(room=after))

    assert await change(3) is ChangeCode.BEHIND
    assert await change(2) is ChangeCode.CHANGED
    assert await change(2) is ChangeCode.REPLAYED
    assert await change(1) is ChangeCode.REPLAYED
    image = await gateway.image(room_id)
    assert image is not None
    assert (image.version, image.offset) == (2, 2)
    assert msgspec.json.decode(image.room)["title"] == "v2"


async def test_a_lost_room_is_made_again_under_another_epoch(
    gateway: RoomGateway, copy: RoomCopy, room_id: str, redis: Redis
) -> None:
    before = await gateway.history(room_id, 0, 10)
    await redis.flushall()
    await copy.revive(room_id)
    after = await gateway.history(room_id, 0, 10)
    assert before is not None and after is not None
    assert after.epoch != before.epoch
    assert after.offset == 1
    # and a room that is there is left alone
    await copy.revive(room_id)
    again = await gateway.history(room_id, 0, 10)
    assert again is not None
    assert (again.epoch, again.offset) == (after.epoch, 1)


async def test_a_new_epoch_is_begun_once(gateway: RoomGateway, room_id: str) -> None:
    found = await gateway.history(room_id, 0, 10)
    assert found is not None
    event = stock(1)
    await asyncio.gather(*(gateway.renew(room_id, found.epoch, event) for _ in range(5)))
    after = await gateway.history(room_id, 0, 10)
    assert after is not None
    assert after.epoch != found.epoch
    assert (after.offset, len(after.texts)) == (1, 1)


async def test_a_drop_is_told_once_however_often(gateway: RoomGateway, room_id: str) -> None:
    # given the same news, again and again, and older ones in between
    codes = [await told(gateway, room_id) for _ in range(3)]
    older = await told(gateway, room_id, log_id="4-9", available=3)
    # then it was told once
    assert codes == [TellCode.TOLD, TellCode.SAME, TellCode.SAME]
    assert older is TellCode.OLD
    assert [event["type"] for event in await events_of(gateway, room_id)] == ["drop.open"]


async def test_what_a_drop_comes_to_is_told_by_its_name(gateway: RoomGateway, room_id: str) -> None:
    far = 9_999_999_999_000
    for changes in (
        {"log_id": "0-0", "state": "draft"},
        {"log_id": "5-0", "opens_ms": far},
        {"log_id": "5-0"},  # its time has come: the same entry
        {"log_id": "6-0", "available": 4},
        {"log_id": "7-0", "available": 0},
        {"log_id": "8-0", "available": 2},
        {"log_id": "9-0", "available": 2, "state": "paused"},
        {"log_id": "10-0", "available": 2},
        {"log_id": "11-0", "available": 2, "state": "closed"},
    ):
        assert await told(gateway, room_id, **changes) is TellCode.TOLD
    events = await events_of(gateway, room_id)
    assert [event["type"] for event in events] == [
        "drop.prepared",
        "drop.opening",
        "drop.open",
        "stock",
        "drop.sold_out",
        "drop.returned",
        "drop.paused",
        "drop.resumed",
        "drop.closed",
    ]
    assert [subject_of(event)["remaining"] for event in events] == [10, 10, 10, 4, 0, 2, 2, 2, 2]
    image = await gateway.image(room_id)
    assert image is not None
    assert [msgspec.json.decode(drop)["phase"] for drop in image.drops] == ["closed"]


async def test_a_drop_that_was_over_at_once_was_open_first(
    gateway: RoomGateway, room_id: str
) -> None:
    await told(gateway, room_id, opens_ms=9_999_999_999_000)
    await told(gateway, room_id, log_id="6-0", available=0)
    kinds = [event["type"] for event in await events_of(gateway, room_id)]
    assert kinds == ["drop.opening", "drop.open", "drop.sold_out"]


@pytest.mark.parametrize(
    ("left", "last"), [(10, ["drop.open"]), (0, ["drop.open", "drop.sold_out"])]
)
async def test_a_drop_that_was_paused_at_its_opening_is_open_once(
    gateway: RoomGateway, room_id: str, left: int, last: list[str]
) -> None:
    # given a countdown that is over when the pause in it is
    await told(gateway, room_id, opens_ms=9_999_999_999_000)
    await told(gateway, room_id, log_id="6-0", state="paused", opens_ms=9_999_999_999_000)
    # when it goes on, is paused once more, and goes on again
    for number, state in ((7, "open"), (8, "paused"), (9, "open")):
        await told(gateway, room_id, log_id=f"{number}-0", state=state, available=left)
    # then it was told open once, when it first sold
    kinds = [event["type"] for event in await events_of(gateway, room_id)]
    behind = ["drop.resumed"] if left else ["drop.sold_out"]
    assert kinds == ["drop.opening", "drop.paused", *last, "drop.paused", *behind]


@pytest.mark.parametrize(
    ("opens_ms", "kind"), [(1, "drop.resumed"), (9_999_999_999_000, "drop.open")]
)
async def test_a_room_that_is_made_again_in_a_pause_of_a_drop(
    gateway: RoomGateway, room_id: str, opens_ms: int, kind: str
) -> None:
    # given a paused drop that is new to the room's epoch; it has sold before, or not yet
    await told(gateway, room_id, state="paused", opens_ms=opens_ms)
    # when it sells
    await told(gateway, room_id, log_id="6-0")
    # then it is told open where it was not before
    assert (await events_of(gateway, room_id))[-1]["type"] == kind


async def test_counts_wait_and_the_last_one_is_told(gateway: RoomGateway, room_id: str) -> None:
    await told(gateway, room_id)
    later = msgspec.structs.replace(NEWS, log_id="6-0", available=9)
    code, wait_ms = await gateway.tell(room_id, later, tick_ms=60_000)
    assert code is TellCode.LATER
    assert 0 < wait_ms <= 60_000
    # what a drop has come to does not wait
    over = msgspec.structs.replace(NEWS, log_id="7-0", available=0)
    assert (await gateway.tell(room_id, over, tick_ms=60_000))[0] is TellCode.TOLD


async def test_an_opening_says_when_it_is_to_be_told_again(
    gateway: RoomGateway, room_id: str, stage: Deployment
) -> None:
    now_ms = await stage.engine.now_ms()
    news = msgspec.structs.replace(NEWS, opens_ms=now_ms + 30_000)
    code, wait_ms = await gateway.tell(room_id, news, tick_ms=100)
    assert code is TellCode.TOLD
    assert 20_000 < wait_ms <= 30_000


async def test_keys_of_a_room_that_is_over_go_in_time(
    gateway: RoomGateway, room_id: str, redis: Redis, stage: Deployment, copy: RoomCopy
) -> None:
    room = view_of_room(await Rooms(stage, copy).find(room_id))
    after = msgspec.structs.replace(room, version=2)
    await gateway.change(after, RoomChanged(room=after), keep_ms=50_000)
    keys = RoomKeys.of(room_id)
    for key in (keys.room_key, keys.events_key):
        assert 0 < await redis.pttl(key) <= 50_000


@pytest.mark.parametrize("broken", ["events_key", "drops_key"])
async def test_a_key_of_the_wrong_type_changes_nothing(
    gateway: RoomGateway, room_id: str, redis: Redis, broken: str
) -> None:
    from stock.errors import ScriptRefused

    key = getattr(RoomKeys.of(room_id), broken)
    await redis.unlink(key)
    await redis.set(key, "x")
    with pytest.raises(ScriptRefused):
        await told(gateway, room_id)
    assert await redis.hget(RoomKeys.of(room_id).room_key, "offset") == "1"
