"""Connections are bounded in time and number: slow clients are cut off, the others served on."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import pytest
from msgspec.structs import replace

from livesale.resources import Deployment
from livesale.web import protocol
from livesale.web.metrics import HTTP_CUT
from tests.livesale.api import Api
from tests.livesale.conftest import Serve

HEAD = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
Bounded = Callable[..., "asyncio.Future[Api]"]


@pytest.fixture(autouse=True)
def watch_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WATCH_S", 0.02)


async def bounded(stage: Deployment, serve: Serve, **changes: object) -> Api:
    http = stage.settings.http.model_copy(update=changes)
    return await serve(replace(stage, settings=stage.settings.model_copy(update={"http": http})))


class Client:
    """A connection of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, api: Api) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", api.port))

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self) -> tuple[int, str]:
        """The status of one answer, and its problem's code."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = msgspec.json.decode(await self.reader.readexactly(length))
        return int(head.split(" ")[1]), body.get("code", "")

    async def rest(self) -> bytes:
        """All until the server closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


def cut(why: str) -> float:
    return HTTP_CUT.labels(why)._value.get()


async def test_a_head_that_trickles_is_cut_off_while_others_are_served(
    stage: Deployment, serve: Serve
) -> None:
    # given: fifty clients that send a header line now and then, and never the last
    api = await bounded(stage, serve, head_timeout_s=0.3)
    before = cut("slow_head")
    slow = [await Client.of(api) for _ in range(50)]
    answers = []

    async def trickle(client: Client) -> None:
        client.send(HEAD)
        answer = asyncio.create_task(client.answer())
        while not answer.done():
            await asyncio.sleep(0.02)
            client.send(b"X: y\r\n")
        answers.append(answer.result())
        assert await client.rest() == b""

    tasks = [asyncio.create_task(trickle(client)) for client in slow]
    # when: somebody else asks meanwhile
    served = (await api.get("/v1/time")).status
    async with asyncio.timeout(20):
        await asyncio.gather(*tasks)
    # then
    assert served == 200
    assert answers == [(408, "request_timeout")] * 50
    assert cut("slow_head") == before + 50


async def test_a_connection_that_says_nothing_is_closed(stage: Deployment, serve: Serve) -> None:
    api = await bounded(stage, serve, head_timeout_s=0.1)
    before = cut("silent")
    client = await Client.of(api)
    assert await client.rest() == b""
    assert cut("silent") == before + 1


async def test_a_second_head_has_its_time_too_and_idling_between_has_another(
    stage: Deployment, serve: Serve
) -> None:
    # given: one answered request; then more silence than a head may take
    api = await bounded(stage, serve, head_timeout_s=0.1, idle_timeout_s=30.0)
    client = await Client.of(api)
    ask = b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(ask)
    assert await client.answer() == (200, "")
    await asyncio.sleep(0.3)
    client.send(ask)
    assert await client.answer() == (200, "")
    # when: the third begins and does not end
    client.send(ask[:-2])
    assert await client.answer() == (408, "request_timeout")
    assert await client.rest() == b""


async def test_an_idle_connection_ends(stage: Deployment, serve: Serve) -> None:
    api = await bounded(stage, serve, idle_timeout_s=0.2)
    client = await Client.of(api)
    client.send(b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await client.answer() == (200, "")
    assert await client.rest() == b""


async def test_a_body_that_trickles_is_cut_off(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livesale.web.endpoint.BODY_TIMEOUT_S", 0.2)
    api = await bounded(stage, serve)
    client = await Client.of(api)
    client.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    answer = asyncio.create_task(client.answer())
    while not answer.done():
        client.send(b" ")
        await asyncio.sleep(0.02)
    assert answer.result() == (408, "request_timeout")


async def test_a_client_that_does_not_read_is_cut_off(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a client with a full window asks for large pages, again and again
    monkeypatch.setattr(protocol, "STALL_S", 0.2)
    api = await bounded(stage, serve)
    before = cut("stalled")
    client = await Client.of(api)
    client.writer.transport.pause_reading()
    # when
    while cut("stalled") == before:
        client.send(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        await asyncio.sleep(0.02)
    # then: it is gone, and others are served
    assert (await api.get("/v1/time")).status == 200
    client.writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/time HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /v1/time HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["url", "line", "lines"],
)
async def test_a_head_that_is_too_large(api: Api, raw: bytes) -> None:
    client = await Client.of(api)
    client.send(raw)
    assert await client.answer() == (431, "headers_too_large")
    assert await client.rest() == b""


async def test_many_lines_that_trickle_are_too_large_together(api: Api) -> None:
    client = await Client.of(api)
    client.send(HEAD)
    answer = asyncio.create_task(client.answer())
    line = b"X-%d: " + b"y" * 4_000 + b"\r\n"
    for number in range(20):
        if answer.done():
            break
        client.send(line % number)
        await asyncio.sleep(0.01)
    assert await answer == (431, "headers_too_large")


async def test_connections_are_bounded_in_number(stage: Deployment, serve: Serve) -> None:
    # given: ten are open, each has asked
    api = await bounded(stage, serve, max_connections=10)
    ask = b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n"
    clients = [await Client.of(api) for _ in range(10)]
    for client in clients:
        client.send(ask)
        assert await client.answer() == (200, "")
    # when: one more, and one after another has left
    late = await Client.of(api)
    late.send(ask)
    refused = await late.answer()
    clients[0].writer.close()
    await clients[0].writer.wait_closed()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(10))
        while True:
            next_one = await Client.of(api)
            next_one.send(ask)
            if (answer := await next_one.answer()) == (200, ""):
                break
    # then
    assert refused == (503, "overloaded")
    assert await late.rest() == b""
    assert answer == (200, "")


async def test_connections_of_one_address_are_bounded(stage: Deployment, serve: Serve) -> None:
    # given: nobody is trusted, so this test is one address; behind a proxy it would not count
    strict = await bounded(stage, serve, max_connections_per_address=3, trusted_proxies=[])
    clients = [await Client.of(strict) for _ in range(4)]
    assert await clients[3].answer() == (503, "overloaded")
    trusting = await bounded(stage, serve, max_connections_per_address=3)
    for client in [await Client.of(trusting) for _ in range(6)]:
        client.send(b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await client.answer() == (200, "")
