"""A stage with a room, and viewers who watch it through the API of one worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from livesale.app import PARTS, build_app
from livesale.resources import Deployment
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.service import NewRoom, Rooms
from tests.livesale.api import FAR_MS, Api
from tests.livesale.rooms.viewer import Viewer
from tests.livesale.stage import open_stage, running
from tests.servers import Valkey

Watch = Callable[..., Awaitable[Viewer]]


class Show:
    """One room, its host, and whoever watches."""

    def __init__(self, api: Api, room_id: str, session: aiohttp.ClientSession) -> None:
        self.api = api
        self.room_id = room_id
        self.path = f"/v1/rooms/{room_id}"
        self.session = session
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def host(self) -> str:
        return self.api.buyer("host")

    def person(self, buyer_id: str) -> str:
        """The id by which this room knows a buyer."""
        return self.api.app[PARTS][PersonIds].of(self.room_id, buyer_id)

    async def act(self, verb: str, body: Any = None, **options: Any) -> Any:
        """A POST under the room, by its host; the answer's body."""
        options.setdefault("by", self.host)
        reply = await self.api.post(f"{self.path}/{verb}", body, **options)
        assert reply.status in (200, 201), reply.body
        return reply.body

    async def put(self, path: str, body: Any = None, **options: Any) -> Any:
        reply = await self.api.ask("PUT", f"{self.path}/{path}", body, **options)
        assert reply.status == 200, reply.body
        return reply.body

    async def drop(self, **changes: Any) -> str:
        """A draft that belongs to the room."""
        drop_id = str((await self.api.create_drop(**changes))["drop_id"])
        await self.put(f"drops/{drop_id}", by=self.api.boss)
        return drop_id

    async def viewer(
        self, *, stays: bool = False, name: str | None = None, mine: str | None = None
    ) -> Viewer:
        """Somebody who has been greeted. `mine` opens the private channel, from a place on."""
        viewer = Viewer(self.session, self.api.url, self.room_id)
        viewer.mine = mine
        headers = {"Authorization": f"Bearer {self.api.buyer(name)}"} if name else None
        watching = viewer.stay() if stays else viewer.watch(headers)
        self._tasks.append(asyncio.create_task(watching))
        await viewer.until("hello")
        return viewer

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    # People are counted, and not told: other tests know which events they make.
    flags = {"live__heartbeat_ms": 600, "live__abandon_s": 1, "live__people_ms": 60_000}
    async with open_stage(redis, redis_server.url, url, tmp_path, **flags) as stage:
        yield stage


@asynccontextmanager
async def open_show(deployment: Deployment) -> AsyncIterator[Show]:
    """A room that is scheduled, on an API of its own."""
    api = Api(build_app(deployment), deployment)
    await api.start()
    async with aiohttp.ClientSession() as session:
        body = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
        made = await api.post("/v1/rooms", body, by=api.boss)
        assert made.status == 201, made.body
        show = Show(api, made.body["room_id"], session)
        yield show
        await show.close()
    await api.stop()


@pytest.fixture
async def show(stage: Deployment) -> AsyncIterator[Show]:
    async with open_show(stage) as show:
        yield show


@pytest.fixture
async def on_air(show: Show) -> Show:
    await show.act("start")
    return show


@pytest.fixture
async def keeper(stage: Deployment) -> AsyncIterator[RoomKeeper]:
    """Rooms are kept: drops are told, hosts are missed, bags are drawn."""
    keeper = RoomKeeper(stage)
    async with running(keeper), running(BagKeeper(stage)):
        yield keeper


@pytest.fixture
def copy(stage: Deployment) -> RoomCopy:
    return RoomCopy(stage)


@pytest.fixture
async def room_id(stage: Deployment, copy: RoomCopy) -> str:
    """A room that Redis has."""
    new = NewRoom(title="Tea time", host="host", starts_ms=FAR_MS)
    room = await Rooms(stage, copy).create(new)
    await copy.revive(room.room_id)
    return room.room_id
