"""What cannot be parsed ends its connection, and no bytes of a stranger claim much memory."""

import asyncio
import gc
import socket
import tracemalloc
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.livesale.web.test_connections import Client, bounded

CLAIM_BYTES = 700_000  # of a connection: two reads of the event loop, and what is kept of others
STRANGERS = 8

POST = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = POST + b"Content-Length: 9999\r\n\r\n{"
LARGE_HEAD = (
    b"GET /v1/time HTTP/1.1\r\nHost: a\r\n" + b"X-Odd:" + b"y" * 8_000 + b"\r\n"
) + b"\r\n"
UPGRADE = (
    b"GET /v1/rooms/r00000000000000/socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

# What comes first, and what comes on and on behind it.
STREAMS = {
    "a trailer without an end": (CHUNKED + b"0\r\nX: ", b"y" * 50_000),
    "a chunk's extension without an end": (CHUNKED + b"1;x=", b"y" * 50_000),
    "chunks of one byte": (CHUNKED, b"1\r\ny\r\n" * 5_000),
    "no chunks at all": (CHUNKED, b"z" * 50_000),
    "large heads behind a body that does not come": (SLOW[:-1], LARGE_HEAD * 5),
    "large heads": (b"", LARGE_HEAD * 5),
    "a head without an end": (b"GET /v1/time HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n" * 9_000),
    "a line without an end": (b"GET /v1/time HTTP/1.1\r\nX: ", b"y" * 50_000),
    "a body for a route that reads none": (
        b"GET /v1/time HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        b"y" * 50_000,
    ),
    "requests behind each other": (b"", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000),
    "frames behind a handshake": (UPGRADE, b"\x8a\x80\0\0\0\0" * 9_000),
    "nothing that is HTTP": (b"", b"\xff\x00" * 25_000),
}


@pytest.fixture
def tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize("name", STREAMS)
async def test_what_a_connection_can_claim(stage: Deployment, serve: Serve, name: str) -> None:
    # given: strangers who read nothing
    first, more = STREAMS[name]
    api = await bounded(stage, serve, max_connections_per_address=100, trusted_proxies=[])
    await api.get("/v1/time")
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    strangers = []
    for _ in range(STRANGERS):
        stranger = socket.create_connection(("127.0.0.1", api.port))
        stranger.setblocking(False)
        strangers.append(stranger)
        if first:
            stranger.send(first)
    # when: they send what is taken of it
    most = 0
    gc.disable()  # nothing may depend on it
    try:
        for _ in range(60):
            for stranger in strangers:
                try:
                    stranger.send(more)
                except OSError:  # not taken, or cut off
                    continue
            await asyncio.sleep(0.01)
            most = max(most, tracemalloc.get_traced_memory()[0] - before)
    finally:
        gc.enable()
    # then
    assert most / STRANGERS < CLAIM_BYTES, f"{most / STRANGERS:,.0f} bytes each"
    for stranger in strangers:
        stranger.close()


async def test_behind_a_torn_body_nothing_is_read_and_nothing_is_kept(api: Api) -> None:
    # given
    client = await Client.of(api)
    client.send(CHUNKED + b"0\r\nX: " + b"y" * 20_000)
    # when: the request that is torn is answered, at once, and only that
    assert await client.answer() == (400, "malformed_body")
    assert await client.rest() == b""
    # then: no fault is kept that keeps the bytes
    kept = [
        fault
        for fault in gc.get_objects()
        if isinstance(fault, HttpProcessingError | RequestPayloadError) and fault.__traceback__
    ]
    assert kept == []


async def test_a_body_in_crumbs_is_not_parsed(api: Api) -> None:
    # given: somebody whose chunks have one byte each, without an end
    client = await Client.of(api)
    client.send(CHUNKED + b"1\r\n \r\n" * 40_000)
    # then: the request is answered at once, and what comes behind it is dropped
    assert await client.answer() == (400, "malformed_body")
    assert await client.rest() == b""


@pytest.mark.parametrize("size", [1, 7, 40, 1_000])
async def test_a_body_may_come_in_chunks(api: Api, size: int) -> None:
    body = b'{"code": "dev:ann", "x": "' + b"y" * (40 * size) + b'"}'
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    client = await Client.of(api)
    client.send(CHUNKED)
    for first in range(0, len(pieces), 10):  # as they may be cut on their way
        some = pieces[first : first + 10]
        client.send(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in some))
        await asyncio.sleep(0)
    client.send(b"0\r\n\r\n")
    # then: it was read to its end
    status, code = await client.answer()
    assert (status, code) in {(422, "unknown_field"), (413, "body_too_large")}
    assert (status == 413) == (size == 1_000)


async def test_what_was_asked_before_is_answered_before(api: Api) -> None:
    client = await Client.of(api)
    good = b"GET /v1/time HTTP/1.1\r\nHost: a\r\nX-Odd:\r\n\r\n"
    client.send(good + good + b"\xff\xff\r\n\r\n" + good)
    assert [await client.answer() for _ in range(3)] == [
        (200, ""),
        (200, ""),
        (400, "malformed_request"),
    ]
    assert await client.rest() == b""
