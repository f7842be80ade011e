"""A room's scripts for people: comments, counts, mutes and bans."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from livesale.rooms.events import Event, encode
from livesale.rooms.people.events import CommentView, PeopleView, Speaker
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.scripts import ChangeCode, RoomGateway

LEASE_MS = 6_000  # after this time without a report, a worker's viewers no longer count

# Escapes that make the JSON safe inside HTML. These characters occur only in strings.
_HARMLESS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class SayCode(StrEnum):
    SAID = "SAID"
    UNKNOWN_ROOM = "UNKNOWN_ROOM"  # or its list of bars
    OVER = "OVER"
    BANNED = "BANNED"
    MUTED = "MUTED"
    ALL_MUTED = "ALL_MUTED"
    TOO_OFTEN = "TOO_OFTEN"
    CROWDED = "CROWDED"
    COUNTED = "COUNTED"  # the phrase of the lucky bag; the room is too busy to show it, or muted


class UnsayCode(StrEnum):
    DELETED = "DELETED"
    REPLAYED = "REPLAYED"
    UNKNOWN_ROOM = "UNKNOWN_ROOM"
    UNKNOWN_COMMENT = "UNKNOWN_COMMENT"
    NOT_YOURS = "NOT_YOURS"


class Words(Struct, frozen=True):
    """A comment before Redis gives it a number and a time."""

    person_id: str
    role: Speaker
    text: str
    nickname: str | None = None
    avatar_url: str | None = None


class Said(Struct, frozen=True):
    """`comment` if SAID; `ms` is the end of the bar, or the time to wait."""

    code: SayCode
    comment: CommentView | None = None
    ms: int = 0


class Pace(Struct, frozen=True):
    """The limits of comments, for one person and for the room. 0 ms means no limit."""

    person_ms: int
    person_burst: int
    room_ms: float


class Report(Struct, frozen=True):
    """A worker's counts. The likes of one `turn` are added once, even if it is repeated."""

    worker: str
    viewers: int
    likes: int
    turn: int


NOBODY = Report("", 0, 0, 0)  # a report that only removes dead workers


class Counted(Struct, frozen=True):
    """The people of a room. `wait_ms` is the time until the next event is due, 0 for none;
    `silence_ms` is the time since the host's last heartbeat."""

    people: PeopleView
    wait_ms: int
    silence_ms: int


class PeopleScripts:
    """All raise the faults of stock.errors."""

    def __init__(self, gateway: RoomGateway, person_ids: PersonIds) -> None:
        self._run = gateway.run
        self._person_ids = person_ids
        self._history = gateway.history_size

    async def say(
        self, room_id: str, buyer_id: str, words: Words, folded: str, pace: Pace, *, kept: int
    ) -> Said:
        """Post a comment; `folded` is the text for the comparison with phrases. Newcomers get the
        last `kept` comments."""
        args: dict[str, str | int] = {
            "buyer_id": buyer_id,
            "card": msgspec.json.encode(words).decode()[1:-1].translate(_HARMLESS),
            "folded": folded,
            "person_ms": pace.person_ms,
            "person_burst": pace.person_burst,
            "room_ms": f"{pace.room_ms:.3f}",
            "kept": kept,
            "history": self._history,
            "team": int(words.role != "viewer"),
        }
        reply = await self._run("people/comment", room_id, args)
        code = SayCode(reply[0])
        if code is not SayCode.SAID:
            return Said(code, ms=int(reply[1]) if len(reply) > 1 else 0)
        said = CommentView(int(reply[1]), int(reply[2]), **msgspec.structs.asdict(words))
        return Said(code, said)

    async def unsay(self, room_id: str, comment_id: int, by: str) -> UnsayCode:
        """Delete a comment; `by` is its required author, empty for any."""
        args: dict[str, str | int] = {"comment_id": comment_id, "by": by}
        args["history"] = self._history
        return UnsayCode((await self._run("people/uncomment", room_id, args))[0])

    async def report(self, room_id: str, report: Report, *, tick_ms: int) -> Counted | None:
        """Send a report; None if Redis lacks the room."""
        args: dict[str, str | int] = {
            name: getattr(report, name) for name in Report.__struct_fields__
        }
        args |= {"lease_ms": LEASE_MS, "tick_ms": tick_ms, "history": self._history}
        reply = await self._run("people/report", room_id, args)
        if reply[0] != "COUNTED":
            return None
        return Counted(PeopleView(*map(int, reply[1:4])), int(reply[4]), int(reply[5]))

    async def bar(
        self, room_id: str, version: int, buyer_id: str, until: str, event: Event
    ) -> ChangeCode:
        """Write one bar to Redis. `until` comes from `until_text`."""
        kind, rest = encode(event)
        args: dict[str, str | int] = {"bars_version": version, "buyer_id": buyer_id}
        args |= {"person_id": self._person_ids.of(room_id, buyer_id), "terms": until}
        args |= {"history": self._history, "kind": kind, "rest": rest}
        return ChangeCode((await self._run("people/bar", room_id, args))[0])

    async def bring_restrictions(self, room_id: str, version: int, bars: Mapping[str, str]) -> None:
        """Write all bars to Redis if its list is older; sends events for new ones."""
        rows: list[Any] = []
        for buyer_id, until in bars.items():
            rows += (buyer_id, self._person_ids.of(room_id, buyer_id), until)
        args: dict[str, str | int] = {"bars_version": version, "history": self._history}
        await self._run("people/bars", room_id, args, rows)


def until_text(mute_ms: int, ban_ms: int) -> str:
    """Redis's format of a buyer's ends of mute and ban; 0 for none."""
    return f"{mute_ms}|{ban_ms}"
