"""A viewer for tests: keeps its place, and holds every event against the numbers before it."""

import asyncio
from typing import Any

import aiohttp
import jsonschema_rs
import msgspec

from livesale.app import EVENTS, FEATURES, NOTICES
from livesale.feature import frames_of
from livesale.rooms.channel import asyncapi
from livesale.rooms.channel.frames import Frames

DOCUMENT = asyncapi.describe(Frames(frames_of(FEATURES)), EVENTS, notices=NOTICES)
_COMPONENTS = DOCUMENT["components"]
# Every message is held against the document. What a client reads has other names than what it
# sends, but for `hello`: this is about what is sent to it.
_FORMS = {
    message["name"]: jsonschema_rs.validator_for({**message["payload"], "components": _COMPONENTS})
    for name, message in _COMPONENTS["messages"].items()
    if {"$ref": f"#/channels/room/messages/{name}"}
    in DOCUMENT["operations"]["send_events"]["messages"]
}

FAULTS = (aiohttp.ClientError, ConnectionError, OSError)


class Viewer:
    """Connects to a room and comes back with its place. `faults` are gaps and repeats: none.

    `events` are all that came, `log` those of each epoch by number; `rooms`, `items` and `drops`
    are what a client would show.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, room_id: str) -> None:
        self.session = session
        self.url = f"{url}/v1/rooms/{room_id}/socket"
        self.epoch = ""
        self.offset = 0
        self.mine: str | None = None  # the place on the private channel; None: it has none
        self.messages: list[dict[str, Any]] = []
        self.log: dict[tuple[str, int], str] = {}
        self.faults: list[str] = []
        self.snapshots = 0
        self.drops: dict[str, dict[str, Any]] = {}
        self.room: dict[str, Any] = {}
        self.closes: list[int | None] = []
        self.connected = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._changed = asyncio.Condition()

    async def watch(self, headers: dict[str, str] | None = None) -> None:
        """One connection, to its end."""
        place = {"epoch": self.epoch, "after": str(self.offset)} if self.epoch else {}
        if self.mine is not None:
            place["mine"] = self.mine
        async with self.session.ws_connect(self.url, params=place, headers=headers) as socket:
            self._socket = socket
            self.connected.set()
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                await self._take(msgspec.json.decode(message.data), message.data)
            await self._note_close(socket.close_code)
        self.connected.clear()

    async def stay(self) -> None:
        """Watch for ever, coming back whenever it ends."""
        while True:
            try:
                await self.watch()
            except FAULTS:
                await self._note_close(None)
            await asyncio.sleep(0.05)

    async def send(self, frame: Any) -> None:
        await self.connected.wait()
        assert self._socket is not None
        text = frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()
        await self._socket.send_str(text)

    async def until(self, kind: str, seconds: float = 10.0, **members: Any) -> dict[str, Any]:
        """The first message of a type, with these members or with a subject that has them."""

        def found() -> dict[str, Any] | None:
            for message in self.messages:
                has = message | subject_of(message)
                if message["type"] == kind and members.items() <= has.items():
                    return message
            return None

        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: found() is not None)
        except TimeoutError:
            came = [message["type"] for message in self.messages]
            raise TimeoutError(f"waited {seconds:.0f} s for {kind} {members}: {came}") from None
        message = found()
        assert message is not None
        return message

    async def closed(self) -> list[int | None]:
        """The close codes, as soon as there is one."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.closes)
        return self.closes

    async def _note_close(self, code: int | None) -> None:
        async with self._changed:
            self.closes.append(code)
            self._changed.notify_all()

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]

    async def _take(self, message: dict[str, Any], text: str) -> None:
        kind = message["type"]
        _FORMS[kind].validate(message)
        if kind == "mine":
            self.mine = message["place"]
        if kind == "snapshot":
            self.snapshots += 1
            self._check_snapshot(message)
            self.epoch, self.offset = message["epoch"], message["offset"]
            self.room = message["room"]
            self.drops = {drop["drop_id"]: dict(drop) for drop in message["drops"]}
        elif "offset" in message and kind != "hello":
            self._check(message["offset"], text)
            self.offset = message["offset"]
            self._show(message)
        async with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def _check_snapshot(self, message: dict[str, Any]) -> None:
        if message["epoch"] == self.epoch and message["offset"] < self.offset:
            self.faults.append(f"back from {self.offset} to {message['offset']}")

    def _check(self, offset: int, text: str) -> None:
        if offset != self.offset + 1:
            self.faults.append(f"{offset} after {self.offset} in {self.epoch}")
        if self.log.setdefault((self.epoch, offset), text) != text:
            self.faults.append(f"{offset} means two things in {self.epoch}")

    def _show(self, message: dict[str, Any]) -> None:
        if "room" in message:
            self.room = message["room"]
        if message["type"] == "drop.removed":
            self.drops.pop(message["drop"]["drop_id"], None)
            return
        for seen in (message.get("drop"), message.get("stock")):
            if seen is not None:
                self.drops.setdefault(seen["drop_id"], {}).update(seen)


def subject_of(message: dict[str, Any]) -> dict[str, Any]:
    """What an event is about: the object under the noun of its type."""
    found = message.get(message["type"].partition(".")[0])
    return found if isinstance(found, dict) else {}
