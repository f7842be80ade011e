"""The host's socket is a heartbeat, as long as the host is heard there."""

import asyncio

import aiohttp
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.resources import Deployment
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.members import RoomRole
from livesale.rooms.service import Rooms
from livesale.rooms.states import Verb
from livesale.tokens.signing import Buyer, TokenSigner
from tests.livesale.identity.operators.person import come
from tests.livesale.rooms.conftest import Show
from tests.waiting import until


class Heard:
    """A socket of a host, as the heartbeats see it."""

    def __init__(self, show: Show, caller: Buyer, role: RoomRole = RoomRole.HOST) -> None:
        self.room_id = show.room_id
        self.caller: Buyer | None = caller
        self.role = role
        self.heard_s = 1.0
        self.is_open = True


def worker(show: Show) -> HostSockets:
    """Another worker's."""
    parts = show.api.app[PARTS]
    return HostSockets(show.api.deployment, parts[RoomLifecycle], parts[TokenSigner])


@pytest.fixture
def host(on_air: Show) -> Buyer:
    caller = on_air.api.signer.verify(on_air.host)
    assert isinstance(caller, Buyer)
    return caller


class Beats:
    """Whether a heartbeat has come since the last question."""

    def __init__(self, show: Show, redis: Redis) -> None:
        self.key = RoomKeys.of(show.room_id).room_key
        self.redis = redis

    async def came(self) -> bool:
        before = await self.redis.hget(self.key, "beat_ms")
        await self.redis.hset(self.key, "beat_ms", "0")
        return before != "0"


async def test_a_host_counts_while_it_is_heard_and_nobody_else_does(
    on_air: Show, redis: Redis, host: Buyer
) -> None:
    # given two workers, each with a socket of the host, and one of them with a viewer's
    beats, one, other = Beats(on_air, redis), worker(on_air), worker(on_air)
    socket, twin = Heard(on_air, host), Heard(on_air, host)
    one.welcome(socket)
    one.welcome(Heard(on_air, host, RoomRole.OPERATOR))
    other.welcome(twin)
    await beats.came()
    # when they look, then coming was a heartbeat
    for hosts in (one, other):
        await hosts.look()
        assert await beats.came()
    # and a half-open socket is none, however long it stays
    for hosts in (one, other):
        await hosts.look()
        assert not await beats.came()
    # and each answer of the host is one, on whichever worker it is
    for heard, hosts in ((socket, one), (twin, other), (socket, one)):
        heard.heard_s += 1.0
        await hosts.look()
        assert await beats.came()
    # and one of a worker that goes, or whose token has ended, is none
    socket.heard_s += 1.0
    socket.is_open = False
    twin.heard_s += 1.0
    twin.caller = replace(host, expires_ms=1)
    for hosts in (one, other):
        await hosts.look()
        assert not await beats.came()


async def test_a_host_who_is_heard_again_brings_the_room_back(
    on_air: Show, stage: Deployment, redis: Redis, host: Buyer
) -> None:
    # given a room whose host was missed
    lifecycle, rooms = on_air.api.app[PARTS][RoomLifecycle], on_air.api.app[PARTS][Rooms]
    await redis.hset(RoomKeys.of(on_air.room_id).room_key, "beat_ms", "0")
    await lifecycle.act(on_air.room_id, Verb.MISS)
    keeper, hosts, socket = RoomKeeper(stage), worker(on_air), Heard(on_air, host)
    patient = {"abandon_s": 600, "heartbeat_ms": 60_000}
    keeper._live = keeper._live.model_copy(update=patient)
    await keeper.look()
    assert (await rooms.find(on_air.room_id)).state == "abnormal"
    # when the host is there again, then the keeper's next look brings it back
    hosts.welcome(socket)
    await hosts.look()
    await keeper.look()
    assert (await rooms.find(on_air.room_id)).state == "live"
    # and where the room is no more, the socket is no fault
    await on_air.act("end")
    await redis.flushall()
    socket.heard_s += 1.0
    await hosts.look()


async def test_a_connected_host_keeps_the_room_live_without_a_heartbeat(
    on_air: Show, redis: Redis
) -> None:
    # given a host who only answers pings, as a page in the background does
    viewer = await on_air.viewer(name="host")
    key = RoomKeys.of(on_air.room_id).room_key
    first = int(await redis.hget(key, "beat_ms") or 0)

    # then its answers are heartbeats
    async def is_beaten() -> bool:
        return int(await redis.hget(key, "beat_ms") or 0) > first

    await until(is_beaten)
    second = int(await redis.hget(key, "beat_ms") or 0)

    async def is_beaten_again() -> bool:
        return int(await redis.hget(key, "beat_ms") or 0) > second

    await until(is_beaten_again)
    assert viewer.closes == []


async def test_an_operator_hosts_by_a_socket_that_ends_with_the_session(
    on_air: Show, redis: Redis
) -> None:
    # given an operator with the role, and one without it
    api, key = on_air.api, RoomKeys.of(on_air.room_id).room_key
    rosa, vera = await come(api, "rosa", "room"), await come(api, "vera", "viewer")
    url = f"{api.url}{on_air.path}/host/socket"
    open_ = on_air.session.ws_connect
    for headers in (
        {"Cookie": vera.cookie},
        {"Authorization": f"Bearer {on_air.host}"},
        {"Cookie": rosa.cookie, "Origin": "https://elsewhere.example"},
        {"Cookie": rosa.cookie, "Origin": "http://127.0.0.1:1"},
    ):
        # then who may not, and a page of others, opens none
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await open_(url, headers=headers)
        assert refused.value.status == 403
    # when she hosts
    socket = await open_(url, headers={"Cookie": rosa.cookie, "Origin": api.url})
    hello, snapshot = await socket.receive_json(), await socket.receive_json()
    assert (hello["type"], hello["role"], hello["person_id"]) == ("hello", "host", None)
    assert (snapshot["type"], snapshot["room"]["room_id"]) == ("snapshot", on_air.room_id)
    # then each look of the worker is a heartbeat, as long as her browser answers pings
    reading = asyncio.create_task(socket.receive())
    await redis.hset(key, "beat_ms", "0")

    async def is_beaten() -> bool:
        return int(await redis.hget(key, "beat_ms") or 0) > 0

    await until(is_beaten)
    # and viewers get what they always do
    assert await on_air.act("mute-all", by=api.boss)
    assert (await reading).json()["room"]["muted"] is True
    # when her session is ended, then so is the socket
    ended = await api.delete("/v1/admin/operators/rosa/sessions", by=api.boss)
    assert ended.status == 200
    async for _ in socket:
        pass
    assert socket.close_code == 4401


async def test_an_operator_who_loses_the_role_hosts_no_more(on_air: Show) -> None:
    api = on_air.api
    rosa = await come(api, "rosa", "room")
    socket = await on_air.session.ws_connect(
        f"{api.url}{on_air.path}/host/socket", headers={"Cookie": rosa.cookie}
    )
    changed = await api.ask("PATCH", "/v1/admin/operators/rosa", {"roles": ["sale"]}, by=api.boss)
    assert changed.status == 200, changed.body
    async for _ in socket:
        pass
    # changing the roles may end the session, too
    assert socket.close_code in (4401, 4405)
