"""SQL for whoever asks has a share of its own: buyers and operators never wait behind strangers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import event

from livesale.app import ROUTES, build_app
from livesale.database.engine import strangers_of
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks.turns import WORKS_FOR, Client
from stock.ids import new_id
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.servers import Valkey


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path) as stage:
        yield stage


async def as_stranger(stage: Deployment, key: str, hold: asyncio.Event, log: list[str]) -> None:
    WORKS_FOR.set(Client(key, stranger=True))
    async with session(stage.sql):
        log.append(key)
        await hold.wait()


async def test_strangers_leave_connections_to_buyers_and_share_theirs(stage: Deployment) -> None:
    # given one stranger who asks for more than there is, in vain
    hold, inside = asyncio.Event(), list[str]()
    many = [asyncio.create_task(as_stranger(stage, "a", hold, inside)) for _ in range(12)]
    other = asyncio.create_task(as_stranger(stage, "b", hold, inside))
    async with asyncio.timeout(30):
        while len(inside) < 2:  # noqa: ASYNC110  other tasks enter
            await asyncio.sleep(0.01)
        # then a second one has its turn, and a buyer's work goes on at once
        assert sorted(inside) == ["a", "b"]
        async with session(stage.sql, write=True):
            pass
        assert len(inside) == 2
        # and the others have their turns
        hold.set()
        await asyncio.gather(*many, other)
    assert len(inside) == 13


async def test_strangers_who_wait_in_vain_are_told_to_come_again(stage: Deployment) -> None:
    hold, inside = asyncio.Event(), list[str]()
    door = strangers_of(stage.sql)
    door._max_each = 1
    first = [asyncio.create_task(as_stranger(stage, "a", hold, inside)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await as_stranger(stage, "a", hold, inside)
    hold.set()
    await asyncio.gather(*first)


async def test_no_public_read_takes_sql_from_buyers(stage: Deployment) -> None:
    # given a room that nobody has looked at, and a door of strangers that is shut
    api = Api(build_app(stage), stage)
    await api.start()
    new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS}
    room_id = (await api.post("/v1/rooms", new, by=api.boss)).body["room_id"]
    drop = await api.create_drop()
    names = {"room_id": room_id, "drop_id": drop["drop_id"], "campaign_id": drop["campaign_id"]}
    names |= {"bag_id": new_id(), "item_id": new_id(), "product_id": new_id()}
    names |= {"share_code": "22222222"}
    queries = {"/v1/pickup-stores": "?lat=22.54&lng=113.95", "/v1/drops": f"?ids={new_id()}"}
    door = strangers_of(stage.sql)
    door._at_once, door._wait_s = 0, 0.01
    used: list[str] = []

    @event.listens_for(stage.sql.sync_engine, "begin")
    def note(_connection: object) -> None:
        used.append("sql")

    # when every public read is asked for
    public = [
        route
        for route in ROUTES
        if (route.method, route.auth) == ("GET", None)
        and route.path.startswith("/v1/")
        and not route.upgrades
    ]
    assert len(public) > 9
    for route in public:
        used.clear()
        reply = await api.get(route.path.format(**names) + queries.get(route.path, ""))
        assert not used, f"{route.path} took a connection: {reply.status}"
        off = reply.status in (403, 404) and reply.code in ("provider_off", "no_mini_program")
        assert off or reply.status in (200, 503), f"{route.path}: {reply.raw!r}"
    # then buyers and operators are served as ever
    assert (await api.get("/v1/orders", by=api.buyer())).status == 200
    assert (await api.get("/v1/admin/drops", by=api.viewer)).status == 200
    await api.stop()


async def test_lists_that_everybody_may_read_cost_one_look_up_for_a_crowd(
    stage: Deployment,
) -> None:
    # given a room
    api = Api(build_app(stage), stage)
    await api.start()
    new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS}
    room_id = (await api.post("/v1/rooms", new, by=api.boss)).body["room_id"]
    begun: list[str] = []

    @event.listens_for(stage.sql.sync_engine, "begin")
    def note(_connection: object) -> None:
        begun.append("sql")

    # when a crowd asks for each list at once
    for name in ("items", "marks", "bags?limit=50"):
        path = f"/v1/rooms/{room_id}/{name}"
        await api.get(path)  # whatever else it needs is known then
        begun.clear()
        replies = await asyncio.gather(*(api.get(path) for _ in range(50)))
        # then few of them reach SQL
        assert {reply.status for reply in replies} == {200}
        assert len(begun) < 25, name
    await api.stop()
