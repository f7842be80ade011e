"""The fast lane on real sockets: whose turn it is, in which order, for how long, and to the end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from msgspec.structs import replace
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from livesale.app import PARTS
from livesale.resources import Deployment
from livesale.sales import fast_lane
from livesale.settings import load_settings
from livesale.telemetry import metrics
from livesale.web import protocol
from livesale.web.draining import Draining
from livesale.web.metrics import HTTP_CUT
from livesale.web.protocol import CONNECT, PLACES, ApiRunner
from stock.model import Attempt, BatchOutcome
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    not load_settings().http.fast_lane, reason="the whole suite runs without the fast lane"
)

READ_BYTES = 256 * 1024  # the most that an event loop reads at once
TIME = b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n"


class Client:
    """A connection of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, api: Api) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", api.port))

    def send(self, *segments: bytes) -> None:
        for segment in segments:
            self.writer.write(segment)

    async def answer(self) -> tuple[int, dict[str, Any], str]:
        """Status, body and head of one answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = msgspec.json.decode(await self.reader.readexactly(length))
        return int(head.split(" ")[1]), body, head

    async def statuses(self, count: int) -> list[int]:
        return [(await self.answer())[0] for _ in range(count)]

    async def is_closed(self) -> bool:
        return await self.reader.read(1) == b""


class Gate:
    """Holds up what goes to Redis."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.waiting = 0
        engine = api.deployment.engine
        reserve = engine.reserve

        async def held_up(drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
            self.waiting += len(attempts)
            await self.open.wait()
            return await reserve(drop_id, attempts)

        monkeypatch.setattr(engine, "reserve", held_up)

    async def until_waiting(self, count: int = 1) -> None:
        def waiting() -> bool:
            return self.waiting >= count

        await until(waiting)


def hot(api: Api, drop_id: str, buyer: str = "ann", *lines: bytes, quantity: int = 1) -> bytes:
    body = b'{"quantity":%d}' % quantity
    head = [
        f"POST /v1/drops/{drop_id}/reservations HTTP/1.1".encode(),
        b"Host: a",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        f"Authorization: Bearer {api.buyer(buyer)}".encode(),
        *lines,
    ]
    return b"\r\n".join([*head, b"", b""]) + body


def by_aiohttp(api: Api) -> int:
    """How many requests aiohttp has seen."""
    assert api._runner.server is not None
    return api._runner.server.requests_count


async def bounded(stage: Deployment, serve: Serve, **changes: object) -> Api:
    http = stage.settings.http.model_copy(update=changes)
    return await serve(replace(stage, settings=stage.settings.model_copy(update={"http": http})))


def test_aiohttp_has_what_the_lane_leans_on() -> None:
    slots = {name for kind in RequestHandler.__mro__ for name in getattr(kind, "__slots__", ())}
    leaned_on = {
        *("_waiter", "_close", "_force_close", "_paused", "_reading_paused", "_buffer_paused"),
        *("_request_count", "_request_in_progress", "_handler_waiter", "_keepalive_timeout"),
        *("_next_keepalive_close_time", "_upgraded", "_payload_parser", "transport"),
    }
    assert leaned_on <= slots
    for name in ("_process_keepalive", "_pause_transport_reading", "_resume_transport_reading"):
        assert callable(getattr(RequestHandler, name))


async def test_only_the_hot_call_goes_past_aiohttp(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    client = await Client.of(api)
    before = by_aiohttp(api)
    # when: hot and cold in turns, on one connection
    for number in range(3):
        client.send(hot(api, drop_id, f"buyer{number}"))
        assert (await client.answer())[0] == 201
        client.send(TIME)
        assert (await client.answer())[0] == 200
    # then
    assert by_aiohttp(api) == before + 3
    assert (await api.books(drop_id))["redis"]["held"] == 3


async def test_a_pipeline_is_answered_in_its_order(api: Api) -> None:
    drop_id = await api.open_drop(allotted=100, buyer_limit=100)
    client = await Client.of(api)
    asked = [
        (hot(api, drop_id, "ann", b"X-Request-Id: r0"), 201),
        (b"GET /v1/time HTTP/1.1\r\nHost: a\r\nX-Request-Id: r1\r\n\r\n", 200),
        (hot(api, drop_id, "bob", b"X-Request-Id: r2", quantity=1000), 403),
        (hot(api, "nosuchdrop", "bob", b"X-Request-Id: r3"), 404),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: r4\r\n\r\n", 404),
        (hot(api, drop_id, "cyd", b"X-Request-Id: r5"), 201),
    ]
    client.send(b"".join(raw for raw, _ in asked))
    for number, (_, status) in enumerate(asked):
        got, _, head = await client.answer()
        assert (got, f"X-Request-Id: r{number}\r\n" in head) == (status, True)


def timeless(body: dict[str, Any]) -> dict[str, Any]:
    """Without the time of the answer."""
    return {name: value for name, value in body.items() if name != "server_ms"}


async def test_a_request_cut_anywhere_is_the_same_request(api: Api) -> None:
    # given: a call whose retries are recognised
    drop_id = await api.open_drop()
    raw = hot(api, drop_id, "ann", b"Idempotency-Key: k")
    client = await Client.of(api)
    client.send(raw)
    _, first, _ = await client.answer()
    before = by_aiohttp(api)
    # when: it comes in two segments, cut at each of its bytes in turn
    cuts = range(1, len(raw), 7)
    for cut in cuts:
        client.send(raw[:cut])
        await asyncio.sleep(0.002)
        client.send(raw[cut:])
        status, again, _ = await client.answer()
        assert (status, timeless(again)) == (200, timeless(first)), cut
    # then: aiohttp had them, for it has the clocks; the next whole one is ours again
    assert by_aiohttp(api) == before + len(cuts)
    client.send(raw)
    status, again, _ = await client.answer()
    assert (status, timeless(again)) == (200, timeless(first))
    assert by_aiohttp(api) == before + len(cuts)


@pytest.mark.parametrize(
    "odd", [b"Expect: 100-continue", b"X:y", b"X-Name: caf\xc3\xa9", b"Te\tst: x"]
)
async def test_what_is_not_plain_is_aiohttps_for_good(api: Api, odd: bytes) -> None:
    drop_id = await api.open_drop()
    client = await Client.of(api)
    client.send(hot(api, drop_id, "ann", odd))
    before = by_aiohttp(api)
    if odd.startswith(b"Expect"):
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    status, _, _ = await client.answer()
    assert status == (400 if b"\t" in odd else 201)
    if status == 201:
        client.send(hot(api, drop_id, "bob"))
        assert (await client.answer())[0] == 201
        assert by_aiohttp(api) == before + 2
    else:
        assert await client.is_closed()


async def test_no_request_inside_a_body_is_ever_read(api: Api) -> None:
    """Bodies of cold requests that look like hot calls, behind lengths that readers dispute."""
    drop_id = await api.open_drop()
    inner = hot(api, drop_id, "eve")
    client = await Client.of(api)
    client.send(
        b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(inner), inner, TIME
    )
    assert await client.statuses(2) == [404, 200]
    chunked = await Client.of(api)
    chunked.send(
        b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner),
        TIME,
    )
    assert await chunked.statuses(2) == [404, 200]
    assert (await api.books(drop_id))["redis"]["held"] == 0


async def test_idling_is_counted_from_the_last_hot_answer(stage: Deployment, serve: Serve) -> None:
    # given: a connection that would have idled too long, were it not for hot calls
    api = await bounded(stage, serve, idle_timeout_s=0.4)
    drop_id = await api.open_drop(buyer_limit=100)
    client = await Client.of(api)
    for _ in range(6):
        client.send(hot(api, drop_id))
        assert (await client.answer())[0] in (201, 409)
        await asyncio.sleep(0.1)
    # when: it is silent
    assert await client.is_closed()


async def test_a_call_that_takes_long_is_not_idling(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await bounded(stage, serve, idle_timeout_s=0.1, head_timeout_s=0.1)
    monkeypatch.setattr(protocol, "WATCH_S", 0.02)
    drop_id = await api.open_drop()
    gate = Gate(api, monkeypatch)
    client = await Client.of(api)
    client.send(hot(api, drop_id))
    await gate.until_waiting()
    await asyncio.sleep(0.3)
    gate.open.set()
    assert (await client.answer())[0] == 201


async def test_a_client_that_does_not_read_holds_little_and_is_cut_off(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(protocol, "STALL_S", 0.3)
    monkeypatch.setattr(protocol, "WATCH_S", 0.02)
    api = await serve(stage)
    drop_id = await api.open_drop()
    before = HTTP_CUT.labels("stalled")._value.get()
    client = await Client.of(api)
    client.writer.transport.pause_reading()
    raw = hot(api, drop_id, "ann", b"Idempotency-Key: k") * 50
    kept = 0
    # when: it sends on and on, and reads nothing
    while HTTP_CUT.labels("stalled")._value.get() == before:
        if client.writer.transport.get_write_buffer_size() < 10 * len(raw):
            client.send(raw)
        for connection in api._runner.server.connections if api._runner.server else ():
            assert isinstance(connection, fast_lane.FastConnection)
            kept = max(kept, connection._unread_bytes())
        await asyncio.sleep(0.001)
    # then
    assert 0 < kept <= fast_lane.MAX_UNREAD + 2 * READ_BYTES
    client.writer.close()


async def test_what_comes_early_is_copied_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pieces it comes in: the cost of a byte is constant."""
    # given: a call on its way, another one behind it
    drop_id = await api.open_drop()
    gate = Gate(api, monkeypatch)
    client = await Client.of(api)
    raw = hot(api, drop_id, "ann", b"Idempotency-Key: k")
    client.send(raw + raw)
    await gate.until_waiting()
    assert api._runner.server is not None
    (connection,) = (
        found
        for found in api._runner.server.connections
        if isinstance(found, fast_lane.FastConnection) and found._turn is not None
    )
    unread = connection._unread
    # when: more comes in small pieces
    more = raw * 9
    for at in range(0, len(more), 100):
        client.send(more[at : at + 100])
        await asyncio.sleep(0)

    def all_came() -> bool:
        return len(connection._late) == len(more)

    await until(all_came)
    # then: what was there is where it was, and every request is answered
    assert connection._unread is unread
    gate.open.set()
    assert await client.statuses(11) == [201] + [200] * 10


async def test_a_long_pipeline_is_answered_to_its_end(api: Api) -> None:
    """More than is kept at once: reading is held up and goes on."""
    drop_id = await api.open_drop()
    raw = hot(api, drop_id, "ann", b"Idempotency-Key: k")
    count = 3 * fast_lane.MAX_UNREAD // len(raw)
    client = await Client.of(api)
    mixed = [raw if number % 5 else TIME for number in range(count)]
    client.send(b"".join(mixed))
    found = await client.statuses(count)
    assert [status for status, sent in zip(found, mixed, strict=True) if sent is TIME] == [
        200
    ] * mixed.count(TIME)
    # one buyer may ask 40 times at once: some of these are told to slow down
    assert set(found) <= {200, 201, 429}


async def test_a_client_that_leaves_in_the_middle_has_one_effect(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a call on its way to Redis
    drop_id = await api.open_drop()
    gate = Gate(api, monkeypatch)
    client = await Client.of(api)
    client.send(hot(api, drop_id, "ann", b"Idempotency-Key: k"))
    await gate.until_waiting()
    # when
    client.writer.transport.abort()
    await asyncio.sleep(0.02)
    gate.open.set()
    # then
    retry = await Client.of(api)
    retry.send(hot(api, drop_id, "ann", b"Idempotency-Key: k"))
    assert (await retry.answer())[0] == 200
    assert (await api.books(drop_id))["redis"]["held"] == 1


async def test_a_worker_that_leaves_answers_first_and_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a call on its way, and one that has not begun
    drop_id = await api.open_drop()
    gate = Gate(api, monkeypatch)
    busy, idle = await Client.of(api), await Client.of(api)
    busy.send(hot(api, drop_id, "ann"))
    await gate.until_waiting()
    # when
    api.app[PARTS][Draining].draining = True
    idle.send(hot(api, drop_id, "bob"))
    await gate.until_waiting(2)
    gate.open.set()
    # then
    for client in (busy, idle):
        status, _, head = await client.answer()
        assert (status, "\r\nConnection: close\r\n" in head) == (201, True)
        assert await client.is_closed()


@pytest.mark.parametrize(("seconds", "answered"), [(5.0, True), (0.05, False)])
async def test_the_end_waits_for_what_is_in_flight_for_its_time(
    stage: Deployment,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    answered: bool,
) -> None:
    # given: a call on its way
    api = await serve(stage)
    drop_id = await api.open_drop()
    gate = Gate(api, monkeypatch)
    client = await Client.of(api)
    client.send(hot(api, drop_id))
    await gate.until_waiting()
    monkeypatch.setattr(api._runner, "_shutdown_timeout", seconds)
    # when: the worker ends; Redis answers within its time, or later
    end = asyncio.create_task(api._runner.cleanup())
    await asyncio.sleep(0.02)
    if answered:
        gate.open.set()
        assert (await client.answer())[0] == 201
    assert await client.is_closed()
    gate.open.set()
    await end
    # then: what was on the wire has its effect either way, and nothing is being answered any more
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot is not None
    assert snapshot.held == 1
    assert "livesale_http_requests_in_flight 0.0" in generate_latest(metrics.REGISTRY).decode()


async def test_an_upgrade_takes_the_connection_along(api: Api) -> None:
    """A socket of aiohttp's, on a server whose connections have the fast lane."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{message.data}!")
        return socket

    app = web.Application()
    app.router.add_get("/echo", echo)
    app[CONNECT], app[PLACES] = api.app[CONNECT], api.app[PLACES]
    runner = ApiRunner(app, api.deployment.settings.http, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/echo"
    raw = hot(api, "nosuchdrop").decode()
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            for text in ("a", raw, "b" * 100_000):
                await socket.send_str(text)
                assert await socket.receive_str() == f"{text}!"
    finally:
        await runner.cleanup()


async def test_it_is_counted_and_logged_as_elsewhere(stage: Deployment, serve: Serve) -> None:
    # given: each request is logged
    api = await bounded(stage, serve, access_log_sample=1.0)
    drop_id = await api.open_drop()
    client = await Client.of(api)
    with capture_logs() as seen:
        # when
        client.send(hot(api, drop_id, "ann", b"X-Request-Id: mine"))
        assert (await client.answer())[0] == 201
        client.send(hot(api, drop_id, "ann", quantity=9))
        assert (await client.answer())[0] == 403
        client.send(hot(api, drop_id, "bob").replace(b"Bearer ls1.", b"Bearer ls1.x"))
        assert (await client.answer())[0] == 401
    # then
    route = "/v1/drops/{drop_id}/reservations"
    lines = [line for line in seen if line.get("route") == route]
    assert [(line["status"], line["caller"], line["problem"]) for line in lines] == [
        (201, "ann", None),
        (403, "ann", None),
        (401, None, "invalid_token"),
    ]
    assert lines[0]["request_id"] == "mine"
    text = (await api.get("/metrics")).raw.decode()
    for status in (201, 403, 401):
        assert f'method="POST",process="local",route="{route}",status="{status}"' in text
    assert f'livesale_http_request_seconds_count{{process="local",route="{route}"}}' in text
    assert 'livesale_reservations_total{code="OVER_LIMIT",process="local"}' in text
    assert 'livesale_http_requests_in_flight{process="local"} 1.0' in text  # /metrics itself


async def test_limits_are_those_of_the_other_lane(stage: Deployment, serve: Serve) -> None:
    """In their order: the address, the token, the buyer; and a proxy speaks for its client."""
    limits = stage.settings.limits.model_copy(
        update={"buyer_per_s": 0.001, "buyer_burst": 2, "address_per_s": 0.001, "address_burst": 4}
    )
    settings = stage.settings.model_copy(update={"limits": limits})
    api = await serve(replace(stage, settings=settings))
    sold = await Client.of(api)
    raw = hot(api, "nosuchdrop", "ann", b"X-Forwarded-For: 203.0.113.1")
    forged = raw.replace(b"Bearer ls1.", b"Bearer ls1.x")
    other = hot(api, "nosuchdrop", "ann", b"X-Forwarded-For: 203.0.113.2")
    got = []
    for each in (raw, raw, raw, forged, raw, other):
        sold.send(each)
        status, body, _ = await sold.answer()
        got.append((status, body["code"]))
    assert got == [
        (404, "unknown_drop"),
        (404, "unknown_drop"),
        (429, "slow_down"),  # the buyer
        (401, "invalid_token"),
        (429, "slow_down"),  # the address
        (429, "slow_down"),  # the buyer, from another address
    ]
