"""What media servers tell, as they tell it: heard once, in any order, from the right ones only."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec.structs import replace

from livesale.app import PARTS, build_app
from livesale.database.session import session
from livesale.rooms.ingest import store as streams
from livesale.rooms.ingest.service import Ingest
from livesale.rooms.keeper import RoomKeeper
from tests.livesale.api import Api, Reply
from tests.livesale.rooms.ingest.conftest import SECRET, SILENCE_MS, Room
from tests.livesale.stage import on_both_in_soak
from tests.servers import Valkey

NGINX = {
    "app": "live",
    "flashver": "FMLE/3.0 (compatible; Lavf59.27.100)",
    "swfurl": "",
    "tcurl": "rtmp://127.0.0.1:1935/live",
    "pageurl": "",
    "addr": "198.51.100.7",
}
SRS = {
    "server_id": "vid-0xk989d",
    "service_id": "382k6e3y",
    "ip": "198.51.100.7",
    "vhost": "__defaultVhost__",
    "app": "live",
    "tcUrl": "rtmp://127.0.0.1/live",
}


NGINX_CALLS = {"begin": "publish", "on": "update_publish", "end": "publish_done", "play": "play"}
SRS_ACTIONS = {"begin": "on_publish", "on": "on_hls", "end": "on_unpublish", "play": "on_play"}


class MediaServer:
    """Tells of streams by hand. `key` is a good one unless another is given."""

    def __init__(self, api: Api, room: Room) -> None:
        self.api = api
        self.room = room
        self.key = ""

    async def ready(self) -> "MediaServer":
        self.key = (await self.room.publishing())["stream_key"].partition("key=")[2]
        return self

    async def send(self, server: str, raw: bytes, secret: str = SECRET, **headers: str) -> Reply:
        return await self.api.ask("POST", f"/v1/hooks/{server}/{secret}", raw=raw, **headers)

    async def tell(self, kind: str, client: int, **changes: str) -> Reply:
        raise NotImplementedError


class Nginx(MediaServer):
    async def tell(self, kind: str, client: int, **changes: str) -> Reply:
        fields = NGINX | {"clientid": str(client), "call": NGINX_CALLS[kind]}
        fields |= {"name": self.room.room_id, "type": "live", "key": self.key} | changes
        return await self.send("nginx", urlencode(fields).encode())


class Srs(MediaServer):
    async def tell(self, kind: str, client: int, **changes: str) -> Reply:
        found = {"key": self.key, "name": self.room.room_id} | changes
        message: dict[str, Any] = SRS | {"action": SRS_ACTIONS[kind], "client_id": f"9308h{client}"}
        message |= {"stream": found["name"], "param": f"?key={found['key']}"}
        return await self.send("srs", msgspec.json.encode(message))


@pytest.fixture(params=[Nginx, Srs])
async def media(request: pytest.FixtureRequest, api: Api, room: Room) -> MediaServer:
    server: MediaServer = request.param(api, room)
    return await server.ready()


async def test_a_stream_from_its_beginning_to_its_end(media: MediaServer, room: Room) -> None:
    for kind, client, state in (
        ("begin", 1, "live"),
        ("on", 1, "live"),
        ("end", 1, "paused"),
        ("begin", 2, "live"),  # the host is back
        ("end", 2, "paused"),
    ):
        reply = await media.tell(kind, client)
        assert (reply.status, reply.body) == (200, {"code": 0})
        assert await room.state() == state, (kind, client)


@on_both_in_soak
async def test_hooks_that_come_late_twice_and_out_of_order(media: MediaServer, room: Room) -> None:
    assert (await media.tell("begin", 1)).status == 200
    # told twice: nothing, even if the host has paused meanwhile
    await room.act("pause")
    assert (await media.tell("begin", 1)).status == 200
    assert await room.state() == "paused"
    await room.act("resume")
    # the end of another session than the room's
    assert (await media.tell("end", 7)).status == 200
    assert await room.state() == "live"
    # an end that is told twice, the second time behind the next beginning
    assert (await media.tell("end", 1)).status == 200
    assert (await media.tell("begin", 2)).status == 200
    assert (await media.tell("end", 1)).status == 200
    assert await room.state() == "live"
    # a session that has ended neither goes on nor begins again
    assert (await media.tell("on", 1)).code == "stream_ended"
    assert (await media.tell("end", 2)).status == 200
    assert (await media.tell("begin", 2)).code == "stream_ended"
    # nor does one whose end came first
    assert (await media.tell("end", 3)).status == 200
    assert (await media.tell("begin", 3)).code == "stream_ended"
    assert await room.state() == "paused"


@on_both_in_soak
async def test_of_many_publishers_at_once_one_is_taken(media: MediaServer, room: Room) -> None:
    replies = await asyncio.gather(*(media.tell("begin", client) for client in range(1, 21)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
    assert {reply.code for reply in replies if reply.status != 200} == {"stream_taken"}
    assert await room.state() == "live"


@on_both_in_soak
async def test_an_end_against_a_beginning(media: MediaServer, room: Room) -> None:
    """Whichever comes first, the room is what its stream is."""
    client = 1
    await media.tell("begin", client)
    for _ in range(20):
        ended, began = await asyncio.gather(
            media.tell("end", client), media.tell("begin", client + 1)
        )
        assert ended.status == 200
        live = began.status == 200
        assert await room.state() == ("live" if live else "paused")
        client += 1 if live else 2
        if not live:
            assert began.code == "stream_taken"
            await media.tell("begin", client)


@on_both_in_soak
async def test_a_silent_stream(media: MediaServer, room: Room, keeper: RoomKeeper) -> None:
    await media.tell("begin", 1)
    await age(room, SILENCE_MS + 1)
    # when nothing was heard of it for too long, the room pauses
    await keeper.look()
    assert await room.state() == "paused"
    # when it is heard of again, it goes on
    assert (await media.tell("on", 1)).status == 200
    assert await room.state() == "live"
    # when another takes its place meanwhile, it is over
    await age(room, SILENCE_MS + 1)
    assert (await media.tell("begin", 2)).status == 200
    assert (await media.tell("on", 1)).code == "stream_ended"
    await keeper.look()
    assert await room.state() == "live"


async def test_a_silent_stream_of_a_room_that_its_host_ended(
    media: MediaServer, room: Room, keeper: RoomKeeper
) -> None:
    await media.tell("begin", 1)
    await room.act("end")
    await age(room, SILENCE_MS + 1)
    await keeper.look()
    await keeper.look()
    assert await room.state() == "ended"


async def test_a_heartbeat_that_comes_back(media: MediaServer, room: Room) -> None:
    """A stream is a host who is there."""
    await media.tell("begin", 1)
    await room.act_as_keeper("miss")
    assert await room.state() == "abnormal"
    assert (await media.tell("on", 1)).status == 200
    assert await room.state() == "live"
    await room.act_as_keeper("miss")
    assert (await media.tell("end", 1)).status == 200
    assert await room.state() == "paused"
    await room.act("resume")
    await room.act_as_keeper("miss")
    assert (await media.tell("begin", 2)).status == 200
    assert await room.state() == "live"


async def test_while_redis_is_away(media: MediaServer, room: Room, redis_server: Valkey) -> None:
    await media.tell("begin", 1)
    redis_server.kill()
    try:
        # then the stream that is there goes on, and none begins
        assert (await media.tell("on", 1)).status == 200
        assert (await media.tell("begin", 2)).status == 503
        assert (await media.tell("end", 1)).status == 503
    finally:
        redis_server.start()
    # and nothing was changed by what could not be done
    assert await room.state() == "live"
    assert (await media.tell("end", 1)).status == 200
    assert await room.state() == "paused"


async def test_keys_that_are_not_good(media: MediaServer, room: Room) -> None:
    other = await (await room.another()).publishing()
    wrong = [
        "",
        "x",
        media.key[:-1],
        media.key + "A",
        media.key.replace(".k1.1.", ".k1.2."),
        media.key.replace(".k1.", ".k9."),
        other["stream_key"].partition("key=")[2],
        room.host,  # a token is no key
    ]
    for key in wrong:
        reply = await media.tell("begin", 1, key=key)
        assert (reply.status, reply.code) == (403, "publish_key_invalid"), key
    assert await room.state() == "scheduled"


async def test_a_key_that_has_ended(media: MediaServer, room: Room) -> None:
    # given a stream that began with a key before it ended
    signer = room.api.app[PARTS][Ingest]
    keys = signer._keys
    key = keys.read(room.room_id, media.key)
    assert (await media.tell("begin", 1)).status == 200
    ended = keys.sign(room.room_id, replace(key, expires_ms=1))
    # then that stream goes on, and none begins
    assert (await media.tell("on", 1, key=ended)).status == 200
    assert (await media.tell("end", 1, key=ended)).status == 200
    assert (await media.tell("begin", 2, key=ended)).code == "publish_key_invalid"


async def test_a_new_key_ends_the_former(media: MediaServer, room: Room) -> None:
    await media.tell("begin", 1)
    old = media.key
    reply = await room.api.post(f"{room.path}/publish", by=room.host)
    assert reply.status == 200
    assert await room.state() == "paused"
    assert (await media.tell("on", 1)).code == "stream_ended"
    assert (await media.tell("begin", 2, key=old)).code == "publish_key_invalid"
    new = reply.body["stream_key"].partition("key=")[2]
    assert (await media.tell("begin", 3, key=new)).status == 200
    # and: asking again for the address ends nothing
    await room.publishing()
    assert (await media.tell("on", 3)).status == 200


async def test_rooms_that_take_no_stream(media: MediaServer, room: Room) -> None:
    assert (await media.tell("begin", 1, name="r0")).code == "publish_key_invalid"
    for name in ("", "x", "R0", "r0/../x", "r" * 200):
        assert (await media.tell("begin", 1, name=name)).code == "unknown_room"
        assert (await media.tell("end", 1, name=name)).code == "unknown_room"
    assert (await media.tell("end", 1, name="r0")).code == "unknown_room"
    assert (await media.tell("play", 1)).status == 200
    await room.act("ban")
    assert (await media.tell("begin", 1)).code == "room_state"
    await room.act("end")
    assert (await media.tell("begin", 1)).code == "room_over"
    assert (await media.tell("on", 1)).code == "room_over"
    assert (await room.api.get(f"{room.path}/publish", by=room.api.boss)).code == "room_over"


async def test_without_the_secret_nothing_is_heard(media: MediaServer, room: Room) -> None:
    raw = b"call=publish"
    for secret in ("x", "x" * 16, SECRET[:-1], SECRET + "x", SECRET.upper(), "%00" * 16):
        for server in ("nginx", "srs"):
            reply = await media.send(server, raw, secret)
            assert (reply.status, reply.code) == (403, "hook_refused"), secret


async def test_from_another_address_nothing_is_heard(media: MediaServer) -> None:
    # the peer is a proxy of the settings: whom it speaks for counts
    reply = await media.send("nginx", b"call=publish", X_Forwarded_For="203.0.113.9")
    assert (reply.status, reply.code) == (403, "hook_refused")


async def test_secrets_while_they_are_changed(room: Room) -> None:
    new = "another-secret-of-the-tests_0123"
    settings = room.api.deployment.settings
    secret = type(settings.ingest.hook_secret)
    for current, old, heard in (
        (new, "", {new}),
        (new, SECRET, {new, SECRET}),
        ("", "", set()),
    ):
        changes = {"hook_secret": secret(current), "old_hook_secret": secret(old)}
        changed = settings.model_copy(update={"ingest": settings.ingest.model_copy(update=changes)})
        deployment = replace(room.api.deployment, settings=changed)
        api = Api(build_app(deployment), deployment)
        await api.start()
        for text in (new, SECRET):
            reply = await Nginx(api, room).send("nginx", b"call=connect", text)
            assert (reply.status == 200) == (text in heard)
        await api.stop()


async def test_a_publisher_cannot_speak_for_the_media_server(api: Api, room: Room) -> None:
    """nginx passes arguments of the address on among its own fields, before or behind them."""
    media = await Nginx(api, room).ready()
    good = urlencode(
        NGINX | {"clientid": "1", "call": "publish", "name": room.room_id, "key": media.key}
    )
    other = await room.another()
    for forged in (f"name={other.room_id}", "call=update_publish", "clientid=2", "key=x", "addr=x"):
        for raw in (f"{good}&{forged}", f"{forged}&{good}"):
            assert (await media.send("nginx", raw.encode())).code == "malformed_hook"
    assert await room.state() == "scheduled"
    assert (await media.send("nginx", good.encode())).status == 200


@pytest.mark.parametrize(
    ("server", "raw"),
    [
        ("nginx", b""),
        ("nginx", b"call=publish"),
        ("nginx", b"\xff\xfe"),
        ("nginx", b"call=publish&name=%FF&clientid=1&addr=1"),
        ("nginx", b"call=publish&name=r0&addr=x&clientid=" + b"1" * 200),
        ("nginx", b"call=publish&name=r0&addr=%00&clientid=1"),
        ("nginx", b"&".join(b"a=1" for _ in range(100))),
        ("srs", b""),
        ("srs", b"[]"),
        ("srs", b'{"action":"on_publish"}'),
        ("srs", b'{"action":"on_publish","client_id":{}}'),
        ("srs", b'{"action":"on_publish","client_id":""}'),
        ("srs", b'{"action":"on_publish","client_id":1,"param":"?key=a&key=b"}'),
        ("srs", b"[" * 10_000),
    ],
)
async def test_what_no_media_server_says(api: Api, room: Room, server: str, raw: bytes) -> None:
    reply = await MediaServer(api, room).send(server, raw)
    assert (reply.status, reply.code) == (400, "malformed_hook")


async def test_hooks_that_do_not_concern_us_are_welcome(api: Api, room: Room) -> None:
    media = MediaServer(api, room)
    assert (await media.send("nginx", b"app=live&call=connect")).status == 200
    stop = msgspec.json.encode(SRS | {"action": "on_stop", "client_id": 7})
    assert (await media.send("srs", stop)).status == 200


async def test_who_is_given_the_address(api: Api, room: Room) -> None:
    for token, status in ((room.host, 200), (api.boss, 200), (api.buyer("ann"), 403)):
        for method in ("GET", "POST"):
            reply = await api.ask(method, f"{room.path}/publish", by=token)
            assert reply.status == status
    assert (await api.get(f"{room.path}/publish")).status == 401
    shown = (await api.get(room.path)).body
    assert "key" not in str(shown)
    assert shown["play"]["hls"].endswith(f"/{room.room_id}.m3u8")
    assert shown["play"]["flv"] is None


async def age(room: Room, by_ms: int) -> None:
    """Make the stream as old as if nothing had been heard of it for so long."""
    deployment = room.api.deployment
    async with session(deployment.sql, write=True) as connection:
        stream = await streams.find_stream(connection, room.room_id)
        assert stream.seen_ms is not None
        await streams.save_stream(connection, replace(stream, seen_ms=stream.seen_ms - by_ms))
