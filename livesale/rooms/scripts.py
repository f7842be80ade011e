"""A room's scripts: each call is one EVALSHA through the engine's gateway, with its faults.

What Redis holds of a room is a live copy: SQL has the room, the shelf and the drops, and Redis adds
the numbers of events. So everything here may be repeated, and a room that Redis lost is made again.
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
    OLD = "OLD"  # the room already got a later entry
    LATER = "LATER"  # too soon for another count
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class DropNews(Struct, frozen=True):
    """A drop after an entry of its log. `card` are the members that do not change, as JSON."""

    drop_id: str
    log_id: str
    state: str  # draft, open, paused or closed
    available: int
    allotted: int
    opens_ms: int
    closes_ms: int
    card: str


class RoomImage(Struct, frozen=True):
    """A room at one instant, and the event that this instant is behind."""

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
    """Events behind a number as JSON, in order; `offset` is that of the last one there is."""

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
        """Number an event and send it; None when Redis does not have the room."""
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
        """Bring Redis to `room.version`. `items` are those that changed; None left the shelf."""
        kind, rest = encode(event)
        pairs: list[str | int] = []
        for item_id, item in (items or {}).items():
            pairs += (item_id, msgspec.json.encode(item).decode() if item else "")
        args = self._doc(room, keep_ms) | {"kind": kind, "rest": rest}
        return ChangeCode((await self.run("change", room.room_id, args, pairs))[0])

    async def restore(
        self, room: RoomView, items: Sequence[ItemView], event: Event, *, keep_ms: int = 0
    ) -> bool:
        """Make Redis's copy where it is missing or older; say whether it was missing."""
        kind, rest = encode(event)
        pairs: list[str | int] = []
        for item in items:
            pairs += (item.item_id, msgspec.json.encode(item).decode())
        args = self._doc(room, keep_ms) | {"epoch": new_epoch(), "kind": kind, "rest": rest}
        return str((await self.run("restore", room.room_id, args, pairs))[0]) == "RESTORED"

    async def renew(self, room_id: str, epoch: str, event: Event) -> None:
        """Begin a new epoch, unless the room has another than `epoch` already."""
        kind, rest = encode(event)
        args: dict[str, str | int] = {"old_epoch": epoch, "new_epoch": new_epoch()}
        args |= {"history": self.history_size, "kind": kind, "rest": rest}
        await self.run("renew", room_id, args)

    async def beat(self, room_id: str) -> bool:
        """Note that the host is there; False when Redis does not have the room."""
        return str((await self.run("beat", room_id, {}))[0]) == "BEAT"

    async def tell(self, room_id: str, news: DropNews, *, tick_ms: int) -> tuple[TellCode, int]:
        """Tell a room of a drop; and in how many ms it must be told again: after LATER the next
        count, else at the drop's opening. 0 when nothing is to come by itself."""
        args: dict[str, str | int] = {
            name: getattr(news, name) for name in DropNews.__struct_fields__
        }
        args |= {"tick_ms": tick_ms, "history": self.history_size}
        reply = await self.run("drop_changed", room_id, args)
        return TellCode(reply[0]), int(reply[1]) if len(reply) > 1 else 0

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
            # The release before this one kept them without their first brace.
            msgspec.Raw(f"{{{people[1:]}".encode() if people else NOBODY),
            [msgspec.Raw(text.encode()) for text in comments],
            msgspec.Raw(bag.encode() or b"null"),
        )

    async def history(self, room_id: str, after: int, count: int) -> History | None:
        """Events with a higher number than `after`, at most `count`."""
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
        """One script of the room, by its verb, or of another feature (`bag/open`); its reply.

        `keys` where they are not just the room's.
        """
        named = (keys or RoomKeys.of(room_id)).named()
        script = self._scripts[verb if "/" in verb else f"room/{verb}"]
        return await self._engine.run(script, named, args, rest)


def new_epoch() -> str:
    """A name for a run of numbers that no other has had."""
    return secrets.token_hex(8)


def card_of(drop: DropView) -> str:
    """The members of a drop that do not change, as JSON without braces."""
    whole = msgspec.to_builtins(drop)
    for name in ("phase", "remaining", "allotted", "opens_ms", "closes_ms"):
        del whole[name]
    return msgspec.json.encode(whole).decode()[1:-1]
