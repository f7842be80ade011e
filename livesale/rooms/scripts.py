"""A room's scripts: each call is one EVALSHA through the engine's gateway, with its faults.

Redis has a live copy of a room: SQL has the room, the shelf and the drops, and Redis adds the
numbers of events. So every call may be repeated, and a room that Redis lost is made again.
"""

import secrets
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from livesale.rooms.events import DropView, Event, ItemView, RoomView, encode
from livesale.rooms.keys import RoomKeys
from livesale.rooms.people.events import PeopleView
from stock.gateway import RedisEngine
from stock.line.model import LineSnapshot
from stock.scripts import Script, load_features

_TOLD = "told:"
NOBODY = msgspec.json.encode(PeopleView(0, 0, 0))

Place = tuple[str, int]  # epoch and offset of the last event


class ChangeCode(StrEnum):
    CHANGED = "CHANGED"
    REPLAYED = "REPLAYED"  # Redis has this version or a newer one
    BEHIND = "BEHIND"  # Redis lacks a version before this one
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class TellCode(StrEnum):
    TOLD = "TOLD"
    SAME = "SAME"
    OLD = "OLD"  # the room has a later entry
    LATER = "LATER"  # too soon for another count
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class DropNews(Struct, frozen=True):
    """A drop after a log entry. `card` has the members that never change, as JSON."""

    drop_id: str
    log_id: str
    state: str  # draft, open, paused or closed
    available: int
    allotted: int
    opens_ms: int
    closes_ms: int
    card: str


class RoomImage(Struct, frozen=True):
    """A room at one instant, and the number of the last event before it."""

    epoch: str
    offset: int
    version: int
    now_ms: int
    room: msgspec.Raw
    items: list[msgspec.Raw]
    drops: list[msgspec.Raw]
    people: msgspec.Raw
    comments: list[msgspec.Raw]
    bag: msgspec.Raw


class History(Struct, frozen=True):
    """Events after a number as JSON, in order; `offset` is the number of the newest event."""

    epoch: str
    offset: int
    texts: list[str]


class RoomGateway:
    """All raise the faults of stock.errors."""

    def __init__(
        self, engine: RedisEngine, *, history: int, scripts: Mapping[str, Script] | None = None
    ) -> None:
        self._engine = engine
        self.history_size = history
        self._scripts = dict(scripts or load_features())

    async def append(self, room_id: str, event: Event) -> Place | None:
        """Number an event and send it; None if Redis does not have the room."""
        kind, rest = encode(event)
        args: dict[str, str | int] = {"history": self.history_size, "kind": kind, "rest": rest}
        reply = await self.run("append", room_id, args)
        return None if reply[0] == "UNKNOWN_ROOM" else (reply[1], reply[2])

    async def change(
        self,
        room: RoomView,
        event: Event,
        items: Mapping[str, ItemView | None] | None = None,
        *,
        keep_ms: int = 0,
    ) -> ChangeCode:
        """Update Redis to `room.version`. `items` are the changed items; None: removed."""
        kind, rest = encode(event)
        pairs: list[str | int] = []
        for item_id, item in (items or {}).items():
            pairs += (item_id, msgspec.json.encode(item).decode() if item else "")
        args = self._doc(room, keep_ms) | {"kind": kind, "rest": rest}
        return ChangeCode((await self.run("change", room.room_id, args, pairs))[0])

    async def restore(
        self, room: RoomView, items: Sequence[ItemView], event: Event, *, keep_ms: int = 0
    ) -> bool:
        """Write Redis's copy if it is missing or older; returns whether it was missing."""
        kind, rest = encode(event)
        pairs: list[str | int] = []
        for item in items:
            pairs += (item.item_id, msgspec.json.encode(item).decode())
        args = self._doc(room, keep_ms) | {"epoch": new_epoch(), "kind": kind, "rest": rest}
        return str((await self.run("restore", room.room_id, args, pairs))[0]) == "RESTORED"

    async def renew(self, room_id: str, epoch: str, event: Event) -> None:
        """Begin a new epoch, unless the room's epoch differs from `epoch` already."""
        kind, rest = encode(event)
        args: dict[str, str | int] = {"old_epoch": epoch, "new_epoch": new_epoch()}
        args |= {"history": self.history_size, "kind": kind, "rest": rest}
        await self.run("renew", room_id, args)

    async def beat(self, room_id: str) -> bool:
        """Note a heartbeat of the host; False if Redis does not have the room."""
        return str((await self.run("beat", room_id, {}))[0]) == "BEAT"

    async def tell(self, room_id: str, news: DropNews, *, tick_ms: int) -> tuple[TellCode, int]:
        """Send a drop's state to a room. Returns the code and the ms until the next send: after
        LATER the next count, else the drop's opening. 0 if none is due."""
        args: dict[str, str | int] = {
            name: getattr(news, name) for name in DropNews.__struct_fields__
        }
        args |= {"tick_ms": tick_ms, "history": self.history_size}
        reply = await self.run("drop_changed", room_id, args)
        return TellCode(reply[0]), int(reply[1]) if len(reply) > 1 else 0

    async def remove_drop(self, room_id: str, drop_id: str) -> None:
        """Take a draft off a room, and send that; a repeat sends nothing."""
        args: dict[str, str | int] = {"drop_id": drop_id, "history": self.history_size}
        await self.run("drop_removed", room_id, args)

    async def image(self, room_id: str) -> RoomImage | None:
        reply = await self.run("snapshot", room_id, {})
        if reply[0] != "OK":
            return None
        _, epoch, offset, version, now_ms, doc, shelf, drops, people, comments, bag = reply
        items = [msgspec.json.decode(text, type=ItemView) for text in shelf[1::2]]
        items.sort(key=lambda item: (item.position, item.item_id))
        told = zip(drops[::2], drops[1::2], strict=True)
        return RoomImage(
            epoch,
            offset,
            version,
            now_ms,
            msgspec.Raw(doc.encode()),
            [msgspec.Raw(msgspec.json.encode(item)) for item in items],
            [msgspec.Raw(text.encode()) for name, text in sorted(told) if _TOLD not in name],
            # The previous release stored them without their first brace.
            msgspec.Raw(f"{{{people[1:]}".encode() if people else NOBODY),
            [msgspec.Raw(text.encode()) for text in comments],
            msgspec.Raw(bag.encode() or b"null"),
        )

    async def tell_line(self, room_id: str, line: LineSnapshot) -> TellCode:
        """Send a room the state of a line in front of one of its drops, if it is another now."""
        args: dict[str, str | int] = {
            "drop_id": line.drop_id,
            "log_id": line.log_id,
            "state": line.state.value,
            "mode": line.terms.mode.value,
            "history": self.history_size,
        }
        return TellCode((await self.run("line_changed", room_id, args))[0])

    async def history(self, room_id: str, after: int, count: int) -> History | None:
        """At most `count` events after `after`."""
        reply = await self.run("history", room_id, {"after": after, "count": count})
        return History(reply[1], reply[2], reply[3]) if reply[0] == "OK" else None

    def _doc(self, room: RoomView, keep_ms: int) -> dict[str, str | int]:
        return {
            "version": room.version,
            "doc": msgspec.json.encode(room).decode(),
            "keep_ms": keep_ms,
            "history": self.history_size,
        }

    async def run(
        self,
        verb: str,
        room_id: str,
        args: Mapping[str, str | int],
        rest: Sequence[str | int] = (),
        keys: RoomKeys | None = None,
    ) -> list[Any]:
        """Run a script of the room by its verb, or of another feature (`bag/open`); its reply.

        Pass `keys` if they are not only the room's.
        """
        named = (keys or RoomKeys.of(room_id)).named()
        script = self._scripts[verb if "/" in verb else f"room/{verb}"]
        return await self._engine.run(script, named, args, rest)


def new_epoch() -> str:
    """A unique name for a run of numbers."""
    return secrets.token_hex(8)


def card_of(drop: DropView) -> str:
    """The members of a drop that never change, as JSON without braces."""
    whole = msgspec.to_builtins(drop)
    for name in ("phase", "remaining", "allotted", "opens_ms", "closes_ms"):
        del whole[name]
    return msgspec.json.encode(whole).decode()[1:-1]
