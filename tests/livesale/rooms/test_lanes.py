"""A socket begins on a connection that has served other requests, through either lane."""

import asyncio
import re
from pathlib import Path

import pytest
from redis.asyncio import Redis
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Ping, Pong, TextMessage

from livesale.app import PARTS
from livesale.rooms.channel.hub import Hub
from tests.livesale.rooms.conftest import open_show
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.waiting import until


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_socket_on_a_used_connection_with_frames_right_behind(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path, fast_lane: bool
) -> None:
    flags = {"http__fast_lane": fast_lane}
    async with (
        open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage,
        open_show(stage) as show,
    ):
        # given a connection that has reserved
        await show.act("start")
        drop_id = await show.drop()
        await show.act(f"drops/{drop_id}/open")
        reader, writer = await asyncio.open_connection("127.0.0.1", show.api.port)
        body = b'{"quantity":1}'
        writer.write(
            f"POST /v1/drops/{drop_id}/reservations HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {show.api.buyer()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 ")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        # when it becomes a socket, with two frames in the same bytes as the handshake
        client = Connection(ConnectionType.CLIENT)
        frames = client.send(TextMessage('{"type":"ping","ref":"r"}')) + client.send(Ping(b"x"))
        writer.write(
            f"GET {show.path}/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            + frames
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        # then both are answered, and the connection is counted once, to its end
        texts, pongs = "", 0
        async with asyncio.timeout(10):
            while '"pong"' not in texts or not pongs:
                client.receive_data(await reader.read(65_536))
                for event in client.events():
                    texts += event.data if isinstance(event, TextMessage) else ""
                    pongs += isinstance(event, Pong)
        assert '"ref":"r"' in texts
        server = show.api._runner.server
        hub = show.api.app[PARTS][Hub]
        before = len(server.places)  # type: ignore[union-attr]
        assert len(hub) == 1
        writer.close()

        def gone() -> bool:
            return len(hub) == 0

        await until(gone)
        assert len(server.places) == before - 1  # type: ignore[union-attr]
