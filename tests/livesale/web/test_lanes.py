"""Both lanes, the same bytes: the fast one answers what aiohttp answers, and sells what it sells.

Seeds make conversations (tests.livesale.web.wire). Each goes to a worker with the fast lane and to
one without, which have a Redis and a database of their own with the same drops. What comes back is
compared byte for byte, but for clocks and ids made up on the way; then so are the stocks.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec import Struct
from redis.asyncio import Redis

from livesale.app import build_app
from livesale.resources import Deployment
from livesale.web.protocol import CONNECT
from stock.connection import connect
from stock.ids import random_rid
from stock.model import Attempt, DropTerms
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.livesale.web.wire import (
    CLOSED,
    DROPS,
    EARLY,
    EMPTY,
    PAUSED,
    PLENTY,
    SCARCE,
    TICKETS,
    Conversation,
    Writer,
)
from tests.servers import Valkey

REQUESTS = 1_700  # of each seed
SEEDS = range(1, 1 + int(os.environ.get("LANES_SEEDS", "1")))  # 1,700 requests each
QUIET_S = 0.05  # after which an answer is looked at that does not end
PATIENCE_S = 5.0  # for two lanes to say the same

SETTINGS = {
    "limits__buyer_per_s": 1e6,
    "limits__buyer_burst": 1_000_000,
    "limits__address_per_s": 1e6,
    "limits__address_burst": 1_000_000,
    "auth__secret": "the same for both, and long enough to be one",
    "http__cors_origins": ["https://shop.example"],
}

_made_up = [
    (re.compile(rb"\r\nDate: [^\r]+"), b""),
    (re.compile(rb"\r\nX-Request-Id: [0-9a-f]{10}-[0-9a-f]+"), rb"\r\nX-Request-Id: made"),
    (re.compile(rb'"(expires_ms|server_ms)":\d+'), rb'"\1":0'),
    (re.compile(rb'"token":"[^"]+"'), rb'"token":""'),
    (re.compile(rb'"(reservation_id|order_id)":"(\w+)-[^"]{16}"'), rb'"\1":"\2"'),
]


class Wire(asyncio.Transport):
    """A connection without a network: what is written to it is there at once."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.raw = b""
        self.ended = False
        self.reading = True
        self._protocol = protocol
        protocol.connection_made(self)

    async def feed(self, segments: Iterable[bytes]) -> None:
        for segment in segments:
            while not self.reading and not self.ended:  # noqa: ASYNC110  told by the transport
                await asyncio.sleep(0.001)
            if self.ended:
                return
            self._protocol.data_received(segment)
            await asyncio.sleep(0)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.ended:
            self.raw += data

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered here."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("198.51.100.1", 4711) if name == "peername" else default


class Lane(Struct):
    """One worker with stores of its own."""

    api: Api
    deployment: Deployment

    def connect(self) -> Wire:
        server = self.api._runner.server
        assert server is not None
        return Wire(server())

    async def stock(self) -> dict[str, tuple[object, ...]]:
        """All that the drops have sold, and to whom."""
        found: dict[str, tuple[object, ...]] = {}
        for drop_id in DROPS:
            snapshot = await self.deployment.engine.snapshot(drop_id)
            assert snapshot is not None
            keys = self.deployment.keyspace.of_drop(drop_id)
            buyers = await self.deployment.redis.hgetall(keys.buyers)
            found[drop_id] = (snapshot.books, snapshot.reservations, buyers)
        return found


@pytest.fixture
async def lanes(redis: Redis, redis_server: Valkey, tmp_path: Path) -> AsyncIterator[list[Lane]]:
    """The fast lane, and a worker without it."""
    made = []
    async with AsyncExitStack() as stack:
        for number, fast in enumerate((True, False)):
            url = f"{redis_server.url}?db={number}"
            client = connect(url, connections=16)
            stack.push_async_callback(client.aclose)
            folder = tmp_path / str(number)
            folder.mkdir()
            sql = f"sqlite:///{folder / 'livesale.sqlite3'}"
            stage = await stack.enter_async_context(
                open_stage(client, url, sql, folder, **SETTINGS, http__fast_lane=fast)
            )
            await _open_drops(stage)
            app = build_app(stage)
            assert (CONNECT in app) is fast
            api = Api(app, stage)
            await api.start()
            stack.push_async_callback(api.stop)
            made.append(Lane(api, stage))
        yield made


async def _open_drops(stage: Deployment) -> None:
    for drop_id in DROPS:
        terms = DropTerms(
            opens_ms=FAR_MS - 1_000 if drop_id == EARLY else 0,
            closes_ms=FAR_MS,
            hold_ms=3_600_000,
            buyer_limit=3 if drop_id == PLENTY else 1_000,
            price_fen=1_990,
            allotted={SCARCE: 40, EMPTY: 1}.get(drop_id, 1_000_000),
            ticket_required=drop_id == TICKETS,
        )
        await stage.engine.open_drop(drop_id, terms)
    await stage.engine.reserve(EMPTY, [Attempt(random_rid(EMPTY), "first")])
    await stage.engine.pause_drop(PAUSED)
    await stage.engine.close_drop(CLOSED)


def compared(raw: bytes) -> bytes:
    """What must be the same: all but clocks, and ids that were drawn by lot."""
    for pattern, instead in _made_up:
        raw = pattern.sub(instead, raw)
    return raw


async def same_stock(lanes: list[Lane], conversation: Conversation) -> None:
    """What was asked last may still be on its way to one of the stores."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while (fast := await lanes[0].stock()) != (plain := await lanes[1].stock()):
        if asyncio.get_running_loop().time() > deadline:
            assert fast == plain, conversation.segments
        await asyncio.sleep(QUIET_S)


async def differ(lanes: list[Lane], conversation: Conversation) -> str:
    """How the answers of the two lanes to a conversation differ; empty when they do not."""
    wires = [lane.connect() for lane in lanes]
    loop = asyncio.get_running_loop()
    try:
        await asyncio.gather(*(wire.feed(conversation.segments) for wire in wires))
        deadline = loop.time() + PATIENCE_S
        while True:
            before = [(wire.raw, wire.ended) for wire in wires]
            same = len({(compared(wire.raw), wire.ended) for wire in wires}) == 1
            if same and wires[0].ended:
                return ""
            await asyncio.sleep(QUIET_S if same else 0.005)
            if same and before == [(wire.raw, wire.ended) for wire in wires]:
                return ""
            if loop.time() > deadline:
                return tell_apart(*wires)
    finally:
        for wire in wires:
            wire.close()


def tell_apart(fast: Wire, plain: Wire) -> str:
    """Where two answers begin to differ, and the statuses of both."""
    one, other = compared(fast.raw), compared(plain.raw)
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    rows = [
        f"{name}: {re.findall(rb'HTTP/1.. ([0-9]+)', raw)}, ended: {wire.ended}, "
        f"at {at}: …{raw[max(0, at - 100) : at + 200]!r}"
        for name, raw, wire in (("fast", one, fast), ("plain", other, plain))
    ]
    return "\n".join(rows)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_lanes_say_and_sell_the_same(lanes: list[Lane], seed: int) -> None:
    writer = Writer(seed, lanes[0].api.signer)
    asked = 0
    while asked < REQUESTS:
        conversation = writer.conversation()
        asked += conversation.requests
        found = await differ(lanes, conversation)
        if found:
            sent = "\n".join(map(repr, conversation.segments))
            pytest.fail(f"{found}\nsent, by segment:\n{sent}", pytrace=False)
        if asked % 10 == 0:
            await same_stock(lanes, conversation)
    assert await lanes[0].stock() == await lanes[1].stock()
    sold = (await lanes[0].stock())[PLENTY]
    assert sold[1] != 0
