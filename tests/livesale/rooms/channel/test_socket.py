"""The socket of a room: what comes, in which order, and how it ends."""

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.socket import Socket
from livesale.rooms.keeper import RoomKeeper
from livesale.tokens.signing import TokenSigner
from tests.livesale.rooms.conftest import Show, open_show
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.waiting import until


async def test_a_viewer_is_greeted_and_told_what_happens(show: Show) -> None:
    # given a viewer who comes before the show
    viewer = await show.viewer()
    snapshot = await viewer.until("snapshot")
    assert snapshot["room"]["state"] == "scheduled"
    assert snapshot["room"]["live_status"] == 102
    # when it begins
    await show.act("start")
    # then the viewer sees it, numbered on from the snapshot
    changed = await viewer.until("room.changed")
    assert changed["room"]["state"] == "live"
    assert changed["room"]["live_status"] == 101
    assert changed["offset"] == snapshot["offset"] + 1
    assert viewer.faults == []


async def test_a_viewer_who_comes_back_gets_what_it_missed(show: Show) -> None:
    # given a viewer who has left
    viewer = await show.viewer()
    await viewer.until("snapshot")
    assert viewer._socket is not None
    await viewer._socket.close()
    # when things happen meanwhile, and it comes back with its place
    left_at = viewer.offset
    for verb in ("start", "pause", "resume"):
        await show.act(verb)
    viewer.messages.clear()
    watching = asyncio.create_task(viewer.watch())
    hello = await viewer.until("hello")
    await viewer.until("room.changed", offset=left_at + 3)
    # then it got them all, and no snapshot
    assert hello["resumed"]
    assert viewer.kinds() == ["hello", *["room.changed"] * 3]
    assert viewer.faults == []
    watching.cancel()


async def test_whoever_missed_more_than_is_kept_gets_a_snapshot(show: Show) -> None:
    viewer = await show.viewer()
    await viewer.until("snapshot")
    assert viewer._socket is not None
    await viewer._socket.close()
    viewer.epoch = "0123456789abcdef"  # that of a Redis that was lost
    viewer.messages.clear()
    watching = asyncio.create_task(viewer.watch())
    hello = await viewer.until("hello")
    await viewer.until("snapshot")
    assert not hello["resumed"]
    assert viewer.snapshots == 2
    watching.cancel()


async def test_frames_are_answered_with_their_ref(show: Show) -> None:
    viewer = await show.viewer()
    await viewer.send({"type": "ping", "ref": "a1"})
    assert (await viewer.until("pong"))["ref"] == "a1"
    await viewer.send({"type": "hello", "token": show.host, "ref": "a2"})
    welcome = await viewer.until("welcome")
    assert (welcome["role"], welcome["ref"]) == ("host", "a2")
    assert welcome["person_id"] == show.person("host")


@pytest.mark.parametrize(
    ("frame", "code", "close"),
    [
        ("{", "malformed_json", "bad_frame"),
        ("[]", "invalid_field", "bad_frame"),
        ('{"type":"dance","ref":"r"}', "unknown_frame", "bad_frame"),
        ('{"type":"ping","ref":7}', "invalid_field", "bad_frame"),
        ('{"type":"ping","x":7}', "invalid_field", "bad_frame"),
        ('{"type":"hello","token":"nonsense"}', "invalid_token", "unauthenticated"),
        ('{"type":"ping","ref":"' + "x" * 5_000 + '"}', "body_too_large", "frame_too_large"),
    ],
)
async def test_a_bad_frame_is_answered_and_ends_the_socket(
    show: Show, frame: str, code: str, close: str
) -> None:
    # given two viewers
    good, bad = await show.viewer(), await show.viewer()
    # when one of them sends it
    await bad.send(frame)
    # then it is told why, and closed; the other goes on
    assert (await bad.until("error"))["code"] == code
    assert await bad.closed() == [CLOSES[close].code]
    await show.act("start")
    await good.until("room.changed")


async def test_a_second_hello_is_out_of_order(show: Show) -> None:
    viewer = await show.viewer(name="ann")
    await viewer.send({"type": "hello", "token": show.host})
    assert (await viewer.until("error"))["code"] == "out_of_order"


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "comment", "text": "hello"},
        {"type": "like"},
        {"type": "opened", "item_id": "d000000000000"},
    ],
)
async def test_nobody_speaks_by_a_token_that_has_ended(
    show: Show, frame: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a socket that is open for longer than its token is good
    viewer = await show.viewer(name="ann")
    signer = show.api.app[PARTS][TokenSigner]
    later_ms = signer.buyer_expiry_ms()
    monkeypatch.setattr(signer, "_now_ms", lambda: later_ms)
    # when its client still watches, then it goes on
    await viewer.send({"type": "ping"})
    await viewer.until("pong")
    # when it speaks, then it is told to come back with another token
    await viewer.send(frame | {"ref": "x"})
    error = await viewer.until("error")
    assert (error["code"], error["ref"]) == ("expired_token", "x")
    assert await viewer.closed() == [CLOSES["unauthenticated"].code]


async def test_too_many_frames_end_the_socket(show: Show) -> None:
    viewer = await show.viewer()
    for _ in range(25):
        await viewer.send({"type": "ping"})
    assert (await viewer.until("error"))["code"] == "slow_down"
    assert viewer.kinds().count("pong") == 20


@pytest.mark.parametrize("frame", [b"\x01\x80\0\0\0\0", b"\x89\x80\0\0\0\0"])
async def test_empty_parts_and_pings_are_frames_as_well(show: Show, frame: bytes) -> None:
    # given a viewer, who begins a message that never ends, or does nothing but ping
    viewer = await show.viewer()
    assert viewer._socket is not None
    write = viewer._socket._response.connection.transport.write  # type: ignore[union-attr]
    write(frame)
    # when it goes on with frames that have no bytes
    again = b"\x00" + frame[1:] if frame[0] == 1 else frame
    for _ in range(25):
        write(again)
    # then it is too much, as anything else would be
    assert (await viewer.until("error"))["code"] == "slow_down"
    assert await viewer.closed() == [CLOSES["too_many_frames"].code]


async def test_a_message_in_parts_is_read_as_one(show: Show) -> None:
    viewer = await show.viewer()
    assert viewer._socket is not None
    write = viewer._socket._response.connection.transport.write  # type: ignore[union-attr]
    text = b'{"type":"ping","ref":"\xe4\xb8\xad"}'
    cut = text.index(b"\xe4") + 1  # within a character
    for opcode, part in ((1, text[:cut]), (0, b""), (0x80, text[cut:])):
        write(bytes((opcode, 0x80 | len(part))) + b"\0\0\0\0" + part)
    assert (await viewer.until("pong"))["ref"] == "中"


async def test_binary_and_broken_frames_end_the_socket(show: Show) -> None:
    for send, name in ((b"\x82\x81\0\0\0\0x", "no_binary"), (b"\x81\x81\0\0\0\0\xff", "not_utf8")):
        viewer = await show.viewer()
        assert viewer._socket is not None
        transport = viewer._socket.get_extra_info("socket")
        assert transport is not None
        viewer._socket._response.connection.transport.write(send)  # type: ignore[union-attr]
        assert await viewer.closed() == [CLOSES[name].code]


async def test_the_end_of_a_room_ends_its_sockets(show: Show) -> None:
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await show.act("start")
    await show.act("end")
    assert await viewer.closed() == [CLOSES["room_over"].code]
    assert viewer.room["state"] == "ended"
    # and nobody comes in any more
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await show.session.ws_connect(viewer.url)
    assert refused.value.status in (101, 410)


async def test_a_drain_sends_everybody_away_with_advice(show: Show) -> None:
    # given viewers, and somebody who polls
    plain = await show.session.ws_connect(f"{show.api.url}{show.path}/socket")
    viewers = [await show.viewer() for _ in range(3)]
    first = (await show.api.get(f"{show.path}/events")).body
    place = f"epoch={first['epoch']}&after={first['after']}&wait_ms=25000"
    polling = asyncio.create_task(show.api.get(f"{show.path}/events?{place}"))
    await asyncio.sleep(0.1)
    # when the worker is about to stop
    await show.api.app[PARTS][Hub].drain(0.1)
    # then all are sent away with a time to come back at, and the poll is answered
    while (last := await plain.receive()).type is not aiohttp.WSMsgType.CLOSE:
        assert last.type is aiohttp.WSMsgType.TEXT
    assert last.data == CLOSES["restart"].code
    assert 0 <= msgspec.json.decode(last.extra)["retry_ms"] < 1_004
    assert [await viewer.closed() for viewer in viewers] == [[1012]] * 3
    assert (await polling).body["events"] == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 426, "upgrade_required"),
        ({"Upgrade": "websocket", "Connection": "Upgrade"}, 426, "upgrade_required"),
        (
            {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "short",
            },
            400,
            "invalid_parameter",
        ),
    ],
)
async def test_a_handshake_that_is_none_is_a_problem(
    show: Show, headers: dict[str, str], status: int, code: str
) -> None:
    reply = await show.api.get(f"{show.path}/socket", **headers)
    assert (reply.status, reply.code) == (status, code)


KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.parametrize(
    ("version", "more", "status"),
    [
        ("1.1", KEY, 101),
        ("1.0", KEY, 426),
        ("1.1", f"{KEY}Content-Length: 5\r\n", 426),  # a body would be read as frames
        ("1.1", KEY + KEY, 400),
    ],
)
async def test_a_handshake_is_one_of_the_rfc(
    show: Show, version: str, more: str, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", show.api.port)
    head = f"GET {show.path}/socket HTTP/{version}\r\nHost: a\r\nUpgrade: websocket\r\n"
    writer.write(f"{head}Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{more}\r\n".encode())
    writer.write(b"12345")
    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()


async def test_rooms_and_tokens_are_checked_before_the_upgrade(show: Show) -> None:
    for path, token, status in (
        ("/v1/rooms/rnosuch/socket", None, 404),
        (f"{show.path}/socket", "nonsense", 401),
        (f"{show.path}/socket?epoch=XYZ", None, 400),
    ):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await show.session.ws_connect(f"{show.api.url}{path}", headers=headers)
        assert refused.value.status == status


async def test_a_drop_is_sold_on_air(show: Show, keeper: RoomKeeper) -> None:
    # given a live room with a prepared drop
    await show.act("start")
    viewer = await show.viewer(stays=True)
    drop_id = await show.drop(allotted=3, buyer_limit=3, hold_ms=60_000)
    await viewer.until("drop.prepared", drop_id=drop_id)
    # when its host opens it with a countdown, somebody takes all, and gives it back
    opened = await show.act(f"drops/{drop_id}/open", {"countdown_s": 0.3})
    opening = await viewer.until("drop.opening", drop_id=drop_id)
    early = await show.api.reserve(drop_id)
    began = await viewer.until("drop.open", drop_id=drop_id)
    made = await show.api.reserve(drop_id, quantity=3)
    await viewer.until("drop.sold_out", drop_id=drop_id)
    await show.api.delete(f"/v1/reservations/{made.body['reservation_id']}", by=show.api.buyer())
    back = await viewer.until("drop.returned", drop_id=drop_id)
    for verb in ("pause", "resume", "close"):
        await show.act(f"drops/{drop_id}/{verb}")
    await viewer.until("drop.closed", drop_id=drop_id)
    # then all of it was told, once, and in order
    assert opening["drop"]["opens_ms"] == opened["opens_ms"]
    assert (early.status, early.body["opens_ms"]) == (425, opened["opens_ms"])
    assert began["at_ms"] >= opened["opens_ms"]
    assert back["drop"]["remaining"] == 3
    kinds = [kind for kind in viewer.kinds() if kind.startswith("drop.")]
    names = "prepared opening open sold_out returned paused resumed closed"
    assert kinds == [f"drop.{name}" for name in names.split()]
    assert viewer.faults == []


HEAD = (
    "GET {path}/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)
MASK = b"\x80\0\0\0\0"  # no bytes, and a mask that changes nothing


async def connect_raw(show: Show, more: str = "") -> tuple[asyncio.StreamReader, Any]:
    """A socket whose client writes bytes as it likes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", show.api.port)
    writer.write(HEAD.format(path=show.path, more=more).encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"\x8a" + MASK, id="pongs nobody asked for"),
        pytest.param(b"\x8a\x81\0\0\0\0x", id="pongs with a word"),
        pytest.param(b"\x89" + MASK, id="pings"),
        pytest.param(b"\x01" + MASK + b"\x00" + MASK, id="empty parts"),
        pytest.param(b'\x81\x8f\0\0\0\0{"type":"ping"}', id="frames"),
        pytest.param(b"\x82\x81\0\0\0\0x", id="what was refused, and more of it"),
        pytest.param(b"\xff" * 64, id="no frames at all"),
        pytest.param(b"\x88\x82\0\0\0\0\x03\xe8" + b"\x8a" + MASK, id="pongs behind a goodbye"),
    ],
)
async def test_whoever_floods_a_socket_is_read_no_more_and_cut_off(
    show: Show, monkeypatch: pytest.MonkeyPatch, flood: bytes
) -> None:
    # given what the worker reads and parses of a socket
    read, parsed = 0, 0
    received, take = Socket.data_received, Socket._take

    def count_read(self: Socket, data: bytes) -> None:
        nonlocal read
        read += len(data)
        received(self, data)

    def count_parsed(self: Socket, event: object) -> None:
        nonlocal parsed
        parsed += 1
        take(self, event)

    monkeypatch.setattr(Socket, "data_received", count_read)
    monkeypatch.setattr(Socket, "_take", count_parsed)
    _, writer = await connect_raw(show)
    # when its client writes as fast as it can, until it is cut off
    sent = 0
    began_s = asyncio.get_running_loop().time()
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            while True:
                writer.write(flood * 2_000)
                sent += 2_000 * len(flood)
                await writer.drain()
    took_s = asyncio.get_running_loop().time() - began_s
    # then nearly nothing of it was read, less was parsed, and it did not take long
    assert read < 2 * 1024 * 1024
    assert parsed <= 60
    assert took_s < 20  # CLOSE_S, on a slow machine
    assert not len(show.api.app[PARTS][Hub])


async def test_pieces_of_a_frame_count_as_well(show: Show) -> None:
    # given a client that sends a byte at a time, and never ends a frame
    reader, writer = await connect_raw(show)
    writer.write(b"\x81\xfe\x0f\xff\0\0\0\0")
    for _ in range(60):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.001)
    # then it is told that this is too much
    async with asyncio.timeout(20):
        text = await reader.read()
    assert b"too_many_frames" in text
    writer.close()


async def test_the_answers_to_our_pings_cost_nothing(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    # given a socket that may send hardly anything, and is asked all the time whether it is there
    flags = {"live__ping_s": 1, "live__frames_burst": 1, "live__frames_per_s": 0.1}
    async with (
        open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage,
        open_show(stage) as show,
    ):
        viewer = await show.viewer()
        (listener,) = show.api.app[PARTS][Hub]._sockets
        # when it is asked five times, and answers
        for _ in range(5):
            listener._heard_s -= 1.5
            listener.look(show.api.app[PARTS][Hub].now(), 0.0)
            assert listener._pinged

            def answered() -> bool:
                return not listener._pinged

            await until(answered)
        # then it is still welcome
        await show.act("start")
        await viewer.until("room.changed")


async def test_a_client_that_comments_and_resets_costs_no_connection_to_redis(
    show: Show, redis: Redis
) -> None:
    # given the connections that are gone after the first comments were said
    async def comment_and_reset(number: int) -> None:
        more = f"Authorization: Bearer {show.api.buyer(f'buyer-{number}')}\r\n"
        _, writer = await connect_raw(show, more)
        text = b'{"type":"comment","text":"hello"}'
        writer.write(bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text)
        await asyncio.sleep(0.001 * (number % 5))  # at every place of its way
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    await show.act("start")
    await asyncio.gather(*(comment_and_reset(number) for number in range(16)))
    hub = show.api.app[PARTS][Hub]

    def quiet() -> bool:
        return not len(hub) and not hub.tasks._tasks

    async def gone() -> int:
        seen = await redis.info("stats")
        there = await redis.info("clients")
        return int(seen["total_connections_received"]) - int(there["connected_clients"])

    await until(quiet)
    before = await gone()
    # when many comment and are gone before the answer
    for start in range(16, 216, 20):
        await asyncio.gather(*(comment_and_reset(start + number) for number in range(20)))
    await until(quiet)
    # then the worker has thrown none of its connections away
    assert await gone() - before <= 4
