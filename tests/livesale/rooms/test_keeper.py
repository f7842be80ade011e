"""The keeper of rooms and of lucky bags: nobody waits for ever behind somebody else's trouble."""

from typing import Any

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import update

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import keeper
from livesale.rooms import tables as rooms_tables
from livesale.rooms.bags import keeper as bag_keeper
from livesale.rooms.bags import store
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.bags.store import Bag, BagState
from livesale.rooms.copy import RoomCopy
from livesale.rooms.director import Director, DropProgress
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.rooms.scripts import DropNews
from livesale.rooms.service import NewRoom, Rooms
from livesale.rooms.states import RoomState
from stock.errors import OutcomeUnknown
from tests.livesale.api import FAR_MS
from tests.livesale.rooms.conftest import Show


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
    monkeypatch.setattr(keeper, "_read_quiet", away)
    # then the look ends, and is repeated as a whole
    with pytest.raises(OutcomeUnknown):
        await keeper.look()


async def test_drawn_bags_that_get_nowhere_keep_no_other_waiting(
    on_air: Show, stage: Deployment, monkeypatch: pytest.MonkeyPatch
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
    keeper = BagKeeper(stage)
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


async def test_rooms_that_have_not_begun_cost_no_scripts_and_have_their_turns(
    stage: Deployment, copy: RoomCopy, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given more scheduled rooms than a look reads, known to nobody in Redis, each with a draft
    monkeypatch.setattr(keeper, "QUIET_PAGE", 4)
    rooms = Rooms(stage, copy)
    new = NewRoom(title="Tea time", host="host", starts_ms=FAR_MS)
    ids = [(await rooms.create(new)).room_id for _ in range(6)]
    watch = RoomKeeper(stage)
    # when the keeper looks twice, then each room was copied to Redis
    for found in (4, 6):
        await watch.look()
        keys = [RoomKeys.of(room_id).room_key for room_id in ids]
        assert await redis.exists(*keys) == found
    # and from then on a look runs no script for them
    await redis.config_resetstat()
    for _ in range(2):
        await watch.look()
    assert "cmdstat_evalsha" not in await redis.info("commandstats")
    # but for one that fell behind, one in which somebody was, and one that is too late
    await redis.hset(keys[0], "version", 0)
    await redis.hset(RoomKeys.of(ids[1]).workers_key, "w", "5|1|1")
    await redis.hset(keys[1], "told_people", ',"online":5,"peak":5,"likes":0}')
    async with session(stage.sql, write=True) as connection:
        late = rooms_tables.rooms.c.room_id == ids[2]
        await connection.execute(update(rooms_tables.rooms).where(late).values(starts_ms=1))
    for _ in range(2):
        await watch.look()
    assert await redis.hget(keys[0], "version") == "1"
    assert await redis.hlen(RoomKeys.of(ids[1]).workers_key) == 0
    assert (await rooms.find(ids[2])).state == RoomState.EXPIRED


async def test_a_director_looks_only_at_drops_that_have_news(
    stage: Deployment, copy: RoomCopy
) -> None:
    # given drops of a room, of which nothing is to be told
    director = Director(stage, 0, copy)
    news = DropNews("d", "0-0", "open", 1, 1, 0, FAR_MS, "")
    director._progress = {f"d{number}": DropProgress("r1", news) for number in range(3)}
    assert director._take_due(1.0) == []
    # when two have news, one of them twice, and one of them is let go
    director._remind("d1", 5.0)
    director._remind("d1", 3.0)
    director._remind("d1", 4.0)
    director._remind("d2", 2.0)
    del director._progress["d2"]
    # then the other is told once, at its earliest time
    assert director._take_due(2.9) == []
    [(drop_id, progress)] = director._take_due(3.0)
    assert drop_id == "d1"
    progress.due_s = None
    assert director._take_due(9.0) == []
