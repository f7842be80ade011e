"""The keeper of rooms and of lucky bags: nobody waits for ever behind somebody else's trouble."""

from typing import Any

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from livesale.deployment import Deployment
from livesale.live import bag_keeper
from livesale.live.bag_keeper import BagKeeper
from livesale.live.copy import RoomCopy
from livesale.live.keeper import RoomKeeper
from livesale.live.keys import RoomKeys
from livesale.live.rooms import NewRoom, Rooms
from livesale.store import bags as store
from livesale.store.bags import Bag, BagState
from livesale.store.session import session
from stock.errors import OutcomeUnknown
from tests.livesale.http.api import FAR_MS
from tests.livesale.live.conftest import Show


async def test_a_room_that_cannot_be_read_keeps_no_other_waiting(
    stage: Deployment, copy: RoomCopy, redis: Redis
) -> None:
    # given three rooms, all lost by Redis, and one of them has something else in its place
    new = NewRoom(title="Tea time", host="host", starts_ms=FAR_MS)
    ids = sorted([(await Rooms(stage, copy).create(new)).room_id for _ in range(3)])
    keys = [RoomKeys.of(room_id).room_key for room_id in ids]
    await redis.delete(*keys)
    await redis.lpush(keys[1], "no room")
    # when the keeper looks, twice
    registry = CollectorRegistry()
    keeper = RoomKeeper(stage, registry)
    for _ in range(2):
        await keeper.look()
    # then the others are there again, and the fault was counted each time
    assert await redis.type(keys[0]) == await redis.type(keys[2]) == "hash"
    assert registry.get_sample_value("livesale_rooms_watch_faults_total") == 2
    # and the third is, as soon as it can be
    await redis.delete(keys[1])
    await keeper.look()
    assert await redis.type(keys[1]) == "hash"
    assert registry.get_sample_value("livesale_rooms_watch_faults_total") == 2


async def test_where_redis_is_away_the_watch_says_so_at_once(
    stage: Deployment, copy: RoomCopy, room_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a Redis that answers nothing
    async def away(*_args: Any) -> None:
        raise OutcomeUnknown("no answer")

    keeper = RoomKeeper(stage)
    monkeypatch.setattr(keeper._copy.gateway, "silence_ms", away)
    # then the look ends, and is repeated as a whole
    with pytest.raises(OutcomeUnknown):
        await keeper.look()


async def test_drawn_bags_that_get_nowhere_keep_no_other_waiting(
    on_air: Show, stage: Deployment, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given three drawn bags, and looks that see one of them at a time
    terms = {"title": "Luck", "places": 1, "countdown_s": 60, "coupon": "20 off"}
    bag_id = (await on_air.act("bags", terms))["bag_id"]
    async with session(stage.sql, write=True) as connection:
        bag = await store.find_bag(connection, bag_id)
        assert bag is not None
        await store.move_bag(connection, bag_id, BagState.OPEN, BagState.DRAWN)
        for copied in ("b1", "b2"):
            await store.add_bag(connection, structs.replace(bag, bag_id=copied, state="drawn"))
    monkeypatch.setattr(bag_keeper, "PAGE", 1)
    keeper = BagKeeper(stage, copy)
    seen: list[str] = []

    async def stuck(bag: Bag) -> None:
        seen.append(bag.bag_id)
        raise OutcomeUnknown("its prizes are paused")

    monkeypatch.setattr(keeper._draws, "advance", stuck)
    # when it has looked four times
    for _ in range(4):
        await keeper.look()
    # then each had its turn
    assert set(seen) == {bag_id, "b1", "b2"}
