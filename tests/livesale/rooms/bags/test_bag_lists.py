"""The list of a lucky bag is in SQL before its draw, and what is drawn is the list of Redis."""

import gzip
import hmac
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import event

from livesale.app import PARTS
from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags.draws import Draws
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.bags.service import Bags
from livesale.rooms.bags.store import Bag, BagState
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keys import RoomKeys
from tests.livesale.api import outdate
from tests.livesale.rooms.bags.test_bags import COUPON, be_time
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_stage
from tests.servers import Valkey


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path) as stage:
        yield stage


@pytest.fixture
async def bag(on_air: Show, stage: Deployment) -> Bag:
    made = await on_air.act("bags", COUPON)
    return await find(stage, made["bag_id"])


async def find(stage: Deployment, bag_id: str) -> Bag:
    async with session(stage.sql) as connection:
        found = await store.find_bag(connection, bag_id)
    assert found is not None
    return found


async def enter(redis: Redis, bag: Bag, names: list[str], first: int = 1) -> None:
    """As `bag_enter` writes them."""
    numbers = {name: number for number, name in enumerate(names, first)}
    await redis.zadd(RoomKeys.of(bag.room_id).entrants_key, numbers)


async def written(stage: Deployment, bag: Bag) -> list[tuple[str, str]]:
    async with session(stage.sql) as connection:
        return await store.entries_of(connection, bag.bag_id)


def entries(bag: Bag, names: list[str]) -> list[tuple[str, str]]:
    return [(draw.entry_id_of(bag.salt, name), name) for name in names]


async def drawn(show: Show, draws: Draws, bag: Bag) -> Bag:
    stage = show.api.deployment
    await be_time(show, bag.bag_id)
    await draws.advance(await find(stage, bag.bag_id))
    after = await find(stage, bag.bag_id)
    assert after.state == BagState.SETTLED
    return after


async def test_the_draw_writes_only_the_end_of_a_list_that_was_copied(
    on_air: Show, stage: Deployment, copy: RoomCopy, redis: Redis, bag: Bag
) -> None:
    # given a list that was copied as it came, but for its end
    names = [f"b{number}" for number in range(9)]
    keeper = BagKeeper(stage)
    await enter(redis, bag, names[:6])
    await keeper.look()
    assert await written(stage, bag) == entries(bag, names[:6])
    await enter(redis, bag, names[6:], first=7)
    # when it is drawn
    rows: list[int] = []

    @event.listens_for(stage.sql.sync_engine, "before_cursor_execute")
    def note(_c: object, _cur: object, statement: str, asked: object, *_rest: object) -> None:
        if "INSERT INTO bag_entries" in statement:
            rows.append(len(asked) if isinstance(asked, list) else 1)

    after = await drawn(on_air, keeper._draws, bag)
    # then three rows were written, and the list is whole
    assert rows == [3]
    assert await written(stage, bag) == entries(bag, names)
    ids = [entry for entry, _ in entries(bag, names)]
    assert after.list_hash == draw.list_hash_of(ids)


async def test_a_copy_that_redis_does_not_bear_out_is_written_anew(
    on_air: Show, stage: Deployment, copy: RoomCopy, redis: Redis, bag: Bag
) -> None:
    # given a copy of entries that Redis lost at a failover, before others took their numbers
    draws = Draws(stage, copy)
    await enter(redis, bag, ["ann", "bob", "cat"])
    await draws.lists.follow(bag)
    await redis.zrem(RoomKeys.of(bag.room_id).entrants_key, "bob", "cat")
    await enter(redis, bag, ["dan", "eve", "fay"], first=2)
    # when it is drawn
    await drawn(on_air, draws, bag)
    # then the list is that of Redis
    assert await written(stage, bag) == entries(bag, ["ann", "dan", "eve", "fay"])


async def test_keepers_that_follow_one_list_write_each_entry_once(
    on_air: Show, stage: Deployment, copy: RoomCopy, redis: Redis, bag: Bag
) -> None:
    # given two keepers, of which each copies some, and one that has just started
    one, two, late = (Draws(stage, copy) for _ in range(3))
    names = [f"b{number}" for number in range(8)]
    for count, draws in ((2, one), (4, two), (6, one), (8, two), (8, two)):
        await enter(redis, bag, names[:count])
        for _ in range(2):  # the first finds what the other wrote
            await draws.lists.follow(bag)
    assert await written(stage, bag) == entries(bag, names)
    # when one draws that has copied nothing
    await drawn(on_air, late, bag)
    # then the list is whole, and nobody adds to it any more
    await one.lists.follow(bag)
    assert await written(stage, bag) == entries(bag, names)


async def test_a_record_is_compressed_for_those_who_take_it(
    on_air: Show, stage: Deployment, copy: RoomCopy, redis: Redis, bag: Bag
) -> None:
    # given a bag with a long list that was drawn
    await enter(redis, bag, [f"b{number}" for number in range(500)])
    await drawn(on_air, Draws(stage, copy), bag)
    url = f"{on_air.api.url}{on_air.path}/bags/{bag.bag_id}"
    bodies = {}
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for accepted in ("gzip", "identity", "gzip;q=0"):
            async with client.get(url, headers={"Accept-Encoding": accepted}) as answer:
                encoding = answer.headers.get("Content-Encoding")
                assert answer.headers["Vary"] == "Accept-Encoding"
                assert encoding == ("gzip" if accepted == "gzip" else None)
                bodies[accepted] = await answer.read()
    # then it is the same in both forms, and replays
    assert gzip.decompress(bodies["gzip"]) == bodies["identity"] == bodies["gzip;q=0"]
    assert draw.find_faults(draw.read_record(bodies["identity"])) == []
    # and its list is read once, however often the record is looked up
    read: list[str] = []

    @event.listens_for(stage.sql.sync_engine, "before_cursor_execute")
    def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
        read.append(statement)

    for _ in range(3):
        outdate(on_air.api.app[PARTS][Bags]._records)
        record = await on_air.api.get(f"{on_air.path}/bags/{bag.bag_id}")
        assert len(msgspec.json.decode(record.raw)["entry_ids"]) == 500
    assert read and not [statement for statement in read if "bag_entries" in statement]


def test_a_lot_is_the_documented_hmac() -> None:
    seed, ids = draw.new_seed(), [secrets.token_hex(10) for _ in range(50)]
    list_hash = draw.list_hash_of(ids)
    lots = {
        entry: hmac.digest(bytes.fromhex(seed), f"{list_hash}:{entry}".encode(), "sha256")
        for entry in ids
    }
    assert draw.winners_of(seed, ids, 7) == sorted(ids, key=lots.__getitem__)[:7]
