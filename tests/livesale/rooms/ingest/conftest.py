"""An API that media servers may tell of streams, and a room of its host's."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.app import PARTS, build_app
from livesale.resources import Deployment
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.service import Rooms
from livesale.rooms.states import Verb
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.media import Nginx, Push
from tests.servers import Valkey
from tests.waiting import until

SECRET = "a-secret-of-the-tests_0123456789"
SILENCE_MS = 2_000
Pusher = Callable[[str], Push]


class Room:
    """One room, through the API."""

    def __init__(self, api: Api, room_id: str) -> None:
        self.api = api
        self.room_id = room_id
        self.path = f"/v1/rooms/{room_id}"
        self.host = api.buyer("host")

    async def state(self) -> str:
        """As SQL has it: the API may be a second behind."""
        return (await self.api.app[PARTS][Rooms].find(self.room_id)).state

    async def publishing(self) -> dict[str, Any]:
        reply = await self.api.get(f"{self.path}/publish", by=self.host)
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def another(self) -> "Room":
        """Of the same host."""
        return await make_room(self.api)

    async def act(self, verb: str) -> None:
        """By an operator."""
        reply = await self.api.post(f"{self.path}/{verb}", by=self.api.boss)
        assert reply.status == 200, reply.body

    async def act_as_keeper(self, verb: str) -> None:
        await self.api.app[PARTS][RoomLifecycle].act(self.room_id, Verb(verb))


async def make_room(api: Api) -> Room:
    body = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
    made = await api.post("/v1/rooms", body, by=api.boss)
    assert made.status == 201, made.body
    return Room(api, made.body["room_id"])


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    """Not started yet: its hooks need an address."""
    server = Nginx()
    yield server
    server.remove()


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path, nginx: Nginx
) -> AsyncIterator[Deployment]:
    """On SQLite, unless the test says otherwise."""
    sql_url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    flags = {
        "ingest__push_url": nginx.push_url,
        "ingest__hls_url": nginx.hls_url,
        "ingest__hook_secret": SECRET,
        "ingest__silence_ms": SILENCE_MS,
    }
    async with open_stage(redis, redis_server.url, sql_url, tmp_path, **flags) as stage:
        yield stage


@pytest.fixture
async def api(stage: Deployment) -> AsyncIterator[Api]:
    api = Api(build_app(stage), stage)
    await api.start()
    yield api
    await api.stop()


@pytest.fixture
async def room(api: Api) -> Room:
    return await make_room(api)


@pytest.fixture
def keeper(stage: Deployment) -> RoomKeeper:
    """One that looks when it is told to."""
    return RoomKeeper(stage)


@pytest.fixture
async def media(nginx: Nginx, api: Api) -> Nginx:
    """It tells the API of its streams."""
    nginx.hook(f"127.0.0.1:{api.port}", SECRET)
    nginx.start()
    return nginx


@pytest.fixture
def push(tmp_path: Path) -> Iterator[Pusher]:
    """Begins pushes; those that are left end with the test."""
    begun: list[Push] = []

    def begin(url: str) -> Push:
        begun.append(Push(url, tmp_path))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


async def until_state(room: Room, state: str) -> None:
    async def is_there() -> bool:
        return await room.state() == state

    await until(is_there)
