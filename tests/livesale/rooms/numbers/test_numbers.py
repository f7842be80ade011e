"""The numbers of a room: each person once, money to the fen, by minute, and kept for good."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update

from livesale.app import PARTS
from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.numbers.recorder import EVERY_MS, LAST_MS, Recorder
from livesale.rooms.numbers.scripts import ENTERED, MAX_NOTED, NumbersGateway
from livesale.rooms.numbers.stats import RoomNumbers, Stats
from livesale.rooms.numbers.store import MINUTE_MS
from livesale.rooms.numbers.visits import MAX_PENDING, Visits
from livesale.rooms.people.events import PeopleView
from livesale.rooms.service import NewRoom, Rooms
from livesale.rooms.states import Verb
from livesale.rooms.store import Item, add_item
from stock.errors import StockError
from stock.ids import random_rid
from stock.model import Grant
from tests.livesale.api import FAR_MS, outdate
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import Crowd, open_drop, open_stage, running, until_written
from tests.servers import Valkey
from tests.waiting import until

BEGIN_MS = 1_800_000_000_000


@pytest.fixture(params=["mariadb_url", "sqlite_url"])
async def both(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """A stage on each database."""
    url = request.getfixturevalue(request.param)
    async with open_stage(redis, redis_server.url, url, tmp_path) as stage:
        yield stage


class Hall:
    """A room that is live, and what keepers and hosts see of it."""

    def __init__(self, stage: Deployment) -> None:
        self.stage = stage
        self.copy = RoomCopy(stage)
        self.rooms = Rooms(stage, self.copy)
        self.gateway = NumbersGateway(stage.engine, history=100)
        self.room_id = ""

    async def begin(self) -> None:
        new = NewRoom(title="Tea time", host="host", starts_ms=FAR_MS)
        self.room_id = (await self.rooms.create(new)).room_id
        await self.act(Verb.START)

    async def act(self, verb: Verb) -> None:
        await RoomLifecycle(self.stage, self.copy).act(self.room_id, verb)

    async def come(self, *names: str) -> None:
        assert await self.gateway.note(self.room_id, ENTERED, names)

    async def seen_by(self, recorder: Recorder, at_ms: int, online: int) -> None:
        room = await self.rooms.find(self.room_id)
        await recorder.look_at(room, PeopleView(online, online, 0), at_ms)

    async def numbers(self) -> RoomNumbers:
        """As a host sees them who has not looked before."""
        return await Stats(self.stage).of_room(self.room_id, 0, 1_440)


@pytest.fixture
async def hall(both: Deployment) -> Hall:
    hall = Hall(both)
    await hall.begin()
    return hall


class TestWhatWasSold:
    """Orders, buyers and money, beside a crowd that does everything in any order."""

    @pytest.fixture
    async def drop_ids(self, hall: Hall) -> list[str]:
        """Two drops of the room and one of no room, sold to the crowd; and prizes of the room."""
        stage = hall.stage
        drop_ids = [await open_drop(stage) for _ in range(3)]
        prizes = await open_drop(stage, price_fen=0)
        async with database.transaction(stage.sql) as connection:
            mine = tables.drops.c.drop_id.in_([*drop_ids[:2], prizes])
            await connection.execute(update(tables.drops).where(mine).values(room_id=hall.room_id))
            await add_item(connection, _shelf_item(hall.room_id, drop_ids[0]))
        crowd = Crowd(stage, drop_ids, seed=7, grants=False)
        async with running(Writer(stage)):
            await crowd.act(400)
            grants = [Grant(random_rid(prizes), name) for name in ("buyer-1", "zoe")]
            await stage.engine.grant(prizes, "bag 1", grants)
            await until_written(stage)
        await _spread(stage)
        return drop_ids

    async def test_it_is_what_the_orders_say(self, hall: Hall, drop_ids: list[str]) -> None:
        # given the rows of SQL, added up by hand
        orders, paid_ms = await _rows(hall.stage)
        of_room = [order for order in orders if order.drop_id in drop_ids[:2]]
        sold = [order for order in of_room if order.state == "sold"]
        # when the host looks
        numbers = await hall.numbers()
        # then it is the same, in all, by drop, in persons, and by minute
        assert sold
        assert (numbers.sales.reserved, numbers.sales.paid) == (len(of_room), len(sold))
        assert numbers.sales.paid_units == sum(order.quantity for order in sold)
        assert numbers.sales.amount_fen == sum(order.amount_fen for order in sold)
        assert numbers.funnel.reserved == len({order.buyer_id for order in of_room})
        assert numbers.funnel.paid == len({order.buyer_id for order in sold})
        assert [drop.drop_id for drop in numbers.drops] == sorted(drop_ids[:2])
        for drop in numbers.drops:
            mine = [order for order in sold if order.drop_id == drop.drop_id]
            assert drop.sales.amount_fen == sum(order.amount_fen for order in mine)
        assert [(item.drop_id, item.sales) for item in numbers.items] == [
            (drop.drop_id, drop.sales) for drop in numbers.drops if drop.drop_id == drop_ids[0]
        ]
        reserved, paid, money = Counter[int](), Counter[int](), Counter[int]()
        for order in of_room:
            reserved[order.created_ms // MINUTE_MS * MINUTE_MS] += 1
        for order in sold:
            minute_ms = paid_ms[order.order_id] // MINUTE_MS * MINUTE_MS
            paid[minute_ms] += 1
            money[minute_ms] += order.amount_fen
        minutes = {minute.minute_ms: minute for minute in numbers.minutes}
        assert len(minutes) > 5
        assert {at: m.reserved for at, m in minutes.items() if m.reserved} == dict(reserved)
        assert {at: m.paid for at, m in minutes.items() if m.paid} == dict(paid)
        assert {at: m.amount_fen for at, m in minutes.items() if m.amount_fen} == dict(money)

    async def test_it_is_what_the_books_say(self, hall: Hall, drop_ids: list[str]) -> None:
        numbers = await hall.numbers()
        for drop in numbers.drops:
            books = await hall.stage.engine.snapshot(drop.drop_id)
            assert books is not None
            assert drop.sales.paid_units == books.sold
            assert drop.sales.amount_fen == books.sold * books.terms.price_fen

    async def test_pages_have_every_minute_once(self, hall: Hall, drop_ids: list[str]) -> None:
        whole = (await hall.numbers()).minutes
        stats, found, after_ms = Stats(hall.stage), [], 0
        while True:
            page = await stats.of_room(hall.room_id, after_ms, 3)
            found += page.minutes
            assert page.next is None or len(page.minutes) == 3
            if page.next is None:
                break
            after_ms = page.next
        assert found == whole


def _shelf_item(room_id: str, drop_id: str) -> Item:
    names = {"room_id": room_id, "item_id": "i1", "title": "Tea", "image_url": ""}
    return Item(**names, price_fen=1, state="on_sale", position=1, sku_id=None, drop_id=drop_id)


async def _spread(stage: Deployment) -> None:
    """As if the crowd had taken ten minutes, and paid later than it reserved."""
    async with database.transaction(stage.sql) as connection:
        orders = list(await connection.execute(select(tables.orders.c.order_id)))
        for number, (order_id,) in enumerate(orders):
            of_order = tables.orders.c.order_id == order_id
            made_ms = BEGIN_MS + number * 7_001 % (10 * MINUTE_MS)
            await connection.execute(
                update(tables.orders).where(of_order).values(created_ms=made_ms)
            )
            of_payment = tables.payments.c.order_id == order_id
            await connection.execute(
                update(tables.payments).where(of_payment).values(created_ms=made_ms + 55_555)
            )


async def _rows(stage: Deployment) -> tuple[list[Any], dict[str, int]]:
    """Every order, and when each that is sold was paid."""
    async with database.transaction(stage.sql, write=False) as connection:
        orders = list(await connection.execute(select(tables.orders)))
        paid = await connection.execute(
            select(tables.payments.c.order_id, tables.payments.c.created_ms).where(
                tables.payments.c.result.in_(("sold", "late_sold"))
            )
        )
        return orders, {row.order_id: row.created_ms for row in paid}


class TestWhatIsWrittenDown:
    async def test_minutes_add_up_whoever_writes_them(self, hall: Hall) -> None:
        # given two keepers, one of which begins in the middle, and people who come
        one, two = Recorder(hall.stage), Recorder(hall.stage)
        await hall.come("ann", "bob")
        await hall.seen_by(one, BEGIN_MS, 2)
        await hall.come("bob", "eve")
        await hall.seen_by(one, BEGIN_MS + 20_000, 7)
        await hall.seen_by(two, BEGIN_MS + 21_000, 5)
        await hall.seen_by(one, BEGIN_MS + MINUTE_MS, 3)
        await hall.come("joe")
        await hall.seen_by(two, BEGIN_MS + MINUTE_MS + 30_000, 4)
        await hall.seen_by(one, BEGIN_MS + MINUTE_MS + 30_000 + EVERY_MS, 1)
        # then each minute has the most who were there, and who came in it
        numbers = await hall.numbers()
        seen = [(minute.online, minute.entered) for minute in numbers.minutes]
        assert seen == [(7, 3), (4, 1)]
        assert numbers.funnel.entered == 4

    async def test_a_minute_s_most_is_kept_over_a_kill(self, hall: Hall) -> None:
        # given a keeper that saw nine and was killed, when another goes on
        await hall.seen_by(Recorder(hall.stage), BEGIN_MS, 9)
        await hall.seen_by(Recorder(hall.stage), BEGIN_MS + 30_000, 2)
        assert [minute.online for minute in (await hall.numbers()).minutes] == [9]

    async def test_counts_that_redis_lost_are_not_lost(self, hall: Hall, redis: Redis) -> None:
        # given three who came, and were written down
        recorder = Recorder(hall.stage)
        await hall.come("ann", "bob", "eve")
        await hall.seen_by(recorder, BEGIN_MS, 3)
        # when Redis loses the room, and others come
        await redis.delete(*[key async for key in redis.scan_iter(f"ls:{{{hall.room_id}}}:*")])
        assert not await hall.gateway.note(hall.room_id, ENTERED, ["joe"])
        await hall.copy.revive(hall.room_id)
        await hall.come("joe", "kim")
        await hall.seen_by(recorder, BEGIN_MS + MINUTE_MS, 2)
        # then all have been there, each in the right minute
        numbers = await hall.numbers()
        assert numbers.funnel.entered == 5
        assert [minute.entered for minute in numbers.minutes] == [3, 2]

    async def test_they_are_closed_behind_the_end_and_stay(self, hall: Hall, redis: Redis) -> None:
        # given a room that ends, and somebody who was noted in the last second
        recorder = Recorder(hall.stage)
        await hall.seen_by(recorder, BEGIN_MS, 1)
        await hall.act(Verb.END)
        await hall.come("ann")
        ended_ms = (await hall.rooms.find(hall.room_id)).state_ms
        # when it is not long enough ago, then it is not closed
        await recorder.close(ended_ms + LAST_MS)
        assert not (await hall.numbers()).final
        # and when it is, another keeper closes it, and Redis may forget it
        await Recorder(hall.stage).close(ended_ms + LAST_MS + 1)
        await redis.flushall()
        numbers = await hall.numbers()
        assert (numbers.final, numbers.funnel.entered, numbers.peak) == (True, 1, 0)
        assert numbers.minutes[-1].online == 1

    async def test_a_room_whose_keys_are_gone_is_closed_too(self, hall: Hall, redis: Redis) -> None:
        recorder = Recorder(hall.stage)
        await hall.come("ann")
        await hall.seen_by(recorder, BEGIN_MS, 1)
        await hall.act(Verb.END)
        ended_ms = (await hall.rooms.find(hall.room_id)).state_ms
        await redis.flushall()
        await recorder.close(ended_ms + LAST_MS + 1)
        numbers = await hall.numbers()
        assert (numbers.final, numbers.funnel.entered) == (True, 1)

    async def test_what_is_open_is_not_final(self, hall: Hall) -> None:
        # given a room that is over, with a hold that may still be paid
        drop_id = await open_drop(hall.stage)
        async with database.transaction(hall.stage.sql) as connection:
            await connection.execute(update(tables.drops).values(room_id=hall.room_id))
        await hall.act(Verb.END)
        assert not (await hall.numbers()).final
        # when the drop is closed and nothing is held, then it is
        async with database.transaction(hall.stage.sql) as connection:
            mine = tables.drops.c.drop_id == drop_id
            await connection.execute(update(tables.drops).where(mine).values(state="closed"))
        assert (await hall.numbers()).final


class TestVisits:
    async def test_a_crowd_is_counted_within_a_percent(self, stage: Deployment) -> None:
        hall = Hall(stage)
        await hall.begin()
        visits = Visits(stage, hall.copy)
        for _ in range(2):
            for number in range(20 * MAX_NOTED):
                visits.enter(hall.room_id, f"buyer-{number}")
            await visits.flush()
        tally = await hall.gateway.tally(hall.room_id)
        assert tally is not None
        assert abs(tally.values[ENTERED] - 20 * MAX_NOTED) <= 0.03 * 20 * MAX_NOTED

    async def test_what_redis_does_not_take_waits_within_bounds(
        self, stage: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given a Redis that takes nothing, and more people than may wait
        hall = Hall(stage)
        await hall.begin()
        visits = Visits(stage, hall.copy)

        async def refuse(*_args: Any) -> bool:
            raise StockError("away")

        with monkeypatch.context() as away:
            away.setattr(visits._gateway, "note", refuse)
            for number in range(MAX_PENDING + 10):
                visits.enter(hall.room_id, f"buyer-{number}")
            await visits.flush()
            await visits.flush()
        assert visits._size == MAX_PENDING
        # when it is back, then they are told
        await visits.flush()
        tally = await hall.gateway.tally(hall.room_id)
        assert tally is not None
        assert abs(tally.values[ENTERED] - MAX_PENDING) <= 0.03 * MAX_PENDING
        assert visits._size == 0

    async def test_a_room_that_redis_lacks_is_copied(self, stage: Deployment, redis: Redis) -> None:
        hall = Hall(stage)
        await hall.begin()
        await redis.delete(*[key async for key in redis.scan_iter(f"ls:{{{hall.room_id}}}:*")])
        visits = Visits(stage, hall.copy)
        visits.enter(hall.room_id, "ann")
        await visits.flush()
        tally = await hall.gateway.tally(hall.room_id)
        assert tally is not None
        assert tally.values[ENTERED] == 1


class TestOverHttp:
    async def test_each_person_counts_once(self, show: Show) -> None:
        # given a shelf, and people who come through a socket, twice, and by a frame
        item, other = await _item(show, "Tea", "visible"), await _item(show, "Pot", "visible")
        await show.viewer(name="ann")
        await show.viewer(name="ann")
        bob = await show.viewer()
        await bob.send({"type": "hello", "token": show.api.buyer("bob")})
        await bob.until("welcome")
        await show.viewer()  # nobody knows who
        # when they open what is on it, again and again, by both ways
        for _ in range(3):
            await bob.send({"type": "opened", "item_id": item["item_id"]})
            for item_id in (item["item_id"], other["item_id"]):
                path = f"{show.path}/items/{item_id}/opened"
                reply = await show.api.post(path, by=show.api.buyer("ann"))
                assert reply.status == 202
        await bob.send({"type": "ping"})
        await bob.until("pong")
        # then each is counted once
        numbers = await _recorded(show)
        assert numbers["funnel"] == {"entered": 2, "opened": 2, "reserved": 0, "paid": 0}
        assert {one["title"]: one["opened"] for one in numbers["items"]} == {"Tea": 2, "Pot": 1}
        page = await show.api.get(f"{show.path}/items/{item['item_id']}/stats", by=show.host)
        assert (page.body["item"]["opened"], page.body["minutes"][-1]["opened"]) == (2, 2)

    async def test_the_keeper_writes_them_down_until_the_end(
        self, show: Show, keeper: RoomKeeper
    ) -> None:
        # given a viewer of a show that goes on
        await show.act("start")
        await show.viewer(name="ann")
        stats = show.api.app[PARTS][Stats]

        async def written() -> bool:
            outdate(stats._rooms)
            numbers = (await show.api.get(f"{show.path}/stats", by=show.host)).body
            online = [minute["online"] for minute in numbers["minutes"]]
            return numbers["funnel"]["entered"] == 1 and max(online, default=0) == 1

        # then the keeper writes down that there was one
        await until(written)

    async def test_what_cannot_be_opened(self, show: Show) -> None:
        hidden = await _item(show, "Tea", "hidden")
        for item_id in (hidden["item_id"], "nosuch"):
            path = f"{show.path}/items/{item_id}/opened"
            reply = await show.api.post(path, by=show.api.buyer())
            assert (reply.status, reply.code) == (404, "unknown_item")
        await show.act("start")
        await show.act("end")
        outdate(show.api.app[PARTS][Rooms]._rooms)
        path = f"{show.path}/items/{hidden['item_id']}/opened"
        assert (await show.api.post(path, by=show.api.buyer())).code == "room_over"

    async def test_they_are_for_the_host_and_operators(self, show: Show) -> None:
        await show.put(f"assistants/{show.person('helper')}", by=show.host)
        for path in (f"{show.path}/stats", f"{show.path}/items/nosuch/stats"):
            for token in (show.api.buyer("ann"), show.api.buyer("helper")):
                reply = await show.api.get(path, by=token)
                assert (reply.status, reply.code) == (403, "not_yours")
            for token in (show.host, show.api.boss, show.api.viewer):
                reply = await show.api.get(path, by=token)
                assert reply.status == 200 or reply.code == "unknown_item"
        assert (await show.api.get(f"{show.path}/stats", by=show.host)).body["minutes"] == []


async def _item(show: Show, title: str, state: str) -> Any:
    """An item of the shelf."""
    sku = await show.api.post(
        "/v1/admin/skus", {"title": title, "price_fen": 100}, by=show.api.boss
    )
    return await show.act("items", {"sku_id": sku.body["sku_id"], "state": state})


async def _recorded(show: Show) -> Any:
    """The numbers, once what was noted is in Redis, and a keeper has written it down."""
    parts = show.api.app[PARTS]
    await parts[Visits].flush()
    recorder = Recorder(parts.deployment)
    room = await parts[Rooms].find(show.room_id)
    await recorder.look_at(room, PeopleView(1, 1, 0), await parts.deployment.engine.now_ms())
    outdate(parts[Stats]._rooms)
    reply = await show.api.get(f"{show.path}/stats", by=show.host)
    assert reply.status == 200, reply.body
    return reply.body
