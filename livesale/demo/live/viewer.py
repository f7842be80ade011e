"""One viewer of the show: a socket that may break, a thumb that likes and buys, a bit of luck."""

import asyncio
import contextlib
import random
import secrets
import socket as sockets
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from livesale.demo.crowd import Held
from livesale.demo.wire import Bill
from livesale.rooms.states import BagPhase
from loadtests.checks import Ack
from loadtests.history import Watched
from loadtests.numbers import Heard, Numbers

WORDS = (
    "在吗",
    "what size?",
    "红色还有吗",
    "so nice",
    "求补货",
    "again too late last time",
    "👍👍",
)
REACTS_EVERY_S = (1.5, 6.0)
SPEAKS = 0.15  # of reactions
JITTER_S = 4.0  # between the opening and the tap, on average
PAYS = 0.85
PAYS_AFTER_S = (0.2, 1.5)
AGAIN_S = 0.3
TRIES = 20
UNCLEAR = {"overloaded", "outcome_unknown", "slow_down", "not_open"}
STAY_AWAY = {4403, 4410}


class Lucky(Struct):
    bag_id: str
    state: BagPhase
    commitment: str
    phrase: str | None = None
    winners: list[str] = []


class News(Heard):
    """What a viewer of the show reads besides: the demo's screen is fed by one of them."""

    bag: Lucky | None = None


class Code(Struct):
    code: str = "?"


class Stage(Struct):
    """What all viewers share."""

    http: aiohttp.ClientSession
    room_id: str
    drop_id: str
    answers: Callable[[str], None]
    ack: Callable[[Ack], None]
    bill: Callable[[Bill], None]
    told: Callable[[News, bytes], None]
    odd: Callable[[str], None]


_news = msgspec.json.Decoder(News).decode
_held = msgspec.json.Decoder(Held).decode
_code = msgspec.json.Decoder(Code).decode


class LiveViewer:
    def __init__(self, stage: Stage, name: str, token: str, chance: random.Random) -> None:
        self.stage = stage
        self.name = name
        self.numbers = Numbers(Watched(stage.room_id))
        self.entry_id = ""
        self.commitment = ""
        self.claimed = 0
        self.wants = True  # it buys when there is something to buy
        self.up = asyncio.Event()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._chance = chance
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._thumbs: set[asyncio.Task[None]] = set()
        self._over = False
        self._opened = False
        self._target = 0  # the number from which on it has what it missed

    async def live(self) -> None:
        """Until the room is over."""
        reacting = asyncio.create_task(self._keep_reacting())
        try:
            while not self._over:
                try:
                    await self._watch()
                except aiohttp.ClientError:
                    await asyncio.sleep(self._chance.uniform(0, AGAIN_S))
        finally:
            for task in (reacting, *self._thumbs):
                task.cancel()

    @property
    def busy(self) -> bool:
        """Whether it is about to buy, to pay, or to try its luck."""
        return bool(self._thumbs)

    def lose(self) -> None:
        """The connection, without a word, as in a lift."""
        socket, self._socket = self._socket, None
        self.up.clear()
        raw = socket.get_extra_info("socket") if socket is not None else None
        if raw is not None:
            with contextlib.suppress(OSError):  # it was lost already
                raw.shutdown(sockets.SHUT_RDWR)

    async def _watch(self) -> None:
        path = f"/v1/rooms/{self.stage.room_id}/socket{self.numbers.query}"
        async with self.stage.http.ws_connect(
            path, headers=self._headers, max_msg_size=0
        ) as socket:
            self._socket = socket
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                self._hear(_news(message.data), message.data.encode())
            self._over = socket.close_code in STAY_AWAY

    def _hear(self, news: News, raw: bytes) -> None:
        numbered = self.numbers.hear(news)
        if news.type == "hello":
            self._target = news.offset
        if (self.numbers.place or 0) >= self._target:
            self.up.set()
        if not numbered:
            return
        self.stage.told(news, raw)
        if news.drop is not None and news.drop.drop_id == self.stage.drop_id:
            if news.type == "drop.open":
                if self._opened:
                    self.stage.odd(f"{self.name} was told twice that the drop is open")
                self._opened = True
                self._do(self._buy())
            elif news.type == "drop.returned" and self.wants and self._chance.random() < 0.3:
                self._do(self._buy())
        elif news.bag is not None:
            self._do(self._try_luck(news.bag))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the watching, as a thumb does it."""
        task = asyncio.create_task(work)
        self._thumbs.add(task)
        task.add_done_callback(self._thumbs.discard)

    async def _keep_reacting(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*REACTS_EVERY_S))
            if self._chance.random() < SPEAKS:
                await self._send({"type": "comment", "text": self._chance.choice(WORDS)})
            else:
                await self._send({"type": "like", "count": self._chance.randint(1, 4)})

    async def _send(self, frame: object) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # in a lift
                await self._socket.send_str(msgspec.json.encode(frame).decode())

    async def _buy(self) -> None:
        await asyncio.sleep(self._chance.expovariate(1 / JITTER_S))
        key = secrets.token_hex(8)
        quantity = self._chance.choice((1, 1, 2))
        path = f"/v1/drops/{self.stage.drop_id}/reservations"
        for _ in range(TRIES):
            status, body = await self._post(path, {"quantity": quantity}, key)
            code = _code(body).code if status >= 300 else "held" if status == 201 else "replayed"
            self.stage.answers(f"{status} {code}")
            if status in (200, 201):
                held = _held(body)
                self.stage.ack(Ack(held.reservation_id, self.name, quantity, held.amount_fen, 0))
                if self._chance.random() < PAYS:
                    await asyncio.sleep(self._chance.uniform(*PAYS_AFTER_S))
                    self.stage.bill(Bill(held.reservation_id, held.amount_fen))
                return
            if status and code not in UNCLEAR:
                return
            await asyncio.sleep(self._chance.uniform(AGAIN_S, 2 * AGAIN_S))

    async def _try_luck(self, bag: Lucky) -> None:
        path = f"/v1/rooms/{self.stage.room_id}/bags/{bag.bag_id}"
        if bag.state is BagPhase.OPEN:
            self.commitment = bag.commitment
            await asyncio.sleep(self._chance.uniform(0.2, 1.5))
            await self._send({"type": "comment", "text": bag.phrase})
            for _ in range(TRIES):
                await asyncio.sleep(AGAIN_S)
                status, body = await self._post(f"{path}/entries")
                if status in (200, 201):
                    self.entry_id = str(msgspec.json.decode(body)["entry_id"])
                    return
                if status and _code(body).code not in ("phrase_missing", *UNCLEAR):
                    return
        elif self.entry_id in bag.winners:
            await asyncio.sleep(self._chance.uniform(0.1, 0.8))
            status, _ = await self._post(f"{path}/claim")
            self.claimed += status == 200

    async def _post(self, path: str, body: object = None, key: str = "") -> tuple[int, bytes]:
        """Status 0 where no answer came."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        try:
            async with self.stage.http.post(path, json=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except aiohttp.ClientError:
            return 0, b"{}"
