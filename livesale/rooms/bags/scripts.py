"""The scripts of a lucky bag: open, enter, close, send the result."""

from collections.abc import AsyncIterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from livesale.rooms.bags.events import BagDrawn, BagOpened, BagView, BagVoid
from livesale.rooms.events import encode
from livesale.rooms.scripts import RoomGateway

PAGE = 5_000  # entrants in one read


class OpenBagCode(StrEnum):
    OPENED = "OPENED"
    REPLAYED = "REPLAYED"
    LATE = "LATE"  # the time of its draw has passed
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class EnterCode(StrEnum):
    ENTERED = "ENTERED"
    REPLAYED = "REPLAYED"
    UNSAID = "UNSAID"  # the phrase is missing
    WAIT = "WAIT"  # stay longer
    BANNED = "BANNED"
    CLOSED = "CLOSED"
    FULL = "FULL"
    UNKNOWN_BAG = "UNKNOWN_BAG"
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class CloseBagCode(StrEnum):
    CLOSED = "CLOSED"
    EARLY = "EARLY"
    UNKNOWN_BAG = "UNKNOWN_BAG"
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class TellBagCode(StrEnum):
    TOLD = "TOLD"
    REPLAYED = "REPLAYED"
    OLD = "OLD"  # the room has a newer bag
    UNKNOWN_ROOM = "UNKNOWN_ROOM"


class Entered(Struct, frozen=True):
    """`number` is the place in the list, or after WAIT the missing ms."""

    code: EnterCode
    number: int = 0


class BagGateway(RoomGateway):
    """All raise the faults of stock.errors. Every call may be repeated."""

    async def open_bag(
        self, room_id: str, bag: BagView, *, stay_ms: int, phrase: str, keep_ms: int
    ) -> OpenBagCode:
        kind, rest = encode(BagOpened(bag=bag))
        args: dict[str, str | int] = {
            "bag_id": bag.bag_id,
            "draws_ms": bag.draws_ms,
            "stay_ms": stay_ms,
            "phrase": phrase,
            "doc": msgspec.json.encode(bag).decode(),
            "keep_ms": keep_ms,
            "history": self.history_size,
            "kind": kind,
            "rest": rest,
        }
        return OpenBagCode((await self.run("bag/open", room_id, args))[0])

    async def enter_bag(
        self, room_id: str, bag_id: str, buyer_id: str, *, max_entries: int, gap_ms: int
    ) -> Entered:
        args: dict[str, str | int] = {
            "bag_id": bag_id,
            "buyer_id": buyer_id,
            "max_entries": max_entries,
            "gap_ms": gap_ms,
        }
        code, *number = await self.run("bag/enter", room_id, args)
        return Entered(EnterCode(code), *map(int, number))

    async def close_bag(self, room_id: str, bag_id: str) -> CloseBagCode:
        """If its time is over, accept no more entries: the list is final."""
        return CloseBagCode((await self.run("bag/close", room_id, {"bag_id": bag_id}))[0])

    async def count_entrants(self, room_id: str, bag_id: str) -> int | None:
        """How many have entered; None if Redis does not have the bag."""
        args: dict[str, str | int] = {"bag_id": bag_id, "first": 1, "last": 0}
        reply = await self.run("bag/entrants", room_id, args)
        return int(reply[1]) if reply[0] == "OK" else None

    async def some_entrants(self, room_id: str, bag_id: str, first: int, count: int) -> list[str]:
        """Entrants after the first `first`, in order; empty if Redis lacks the bag."""
        args: dict[str, str | int] = {"bag_id": bag_id, "first": first, "last": first + count - 1}
        reply = await self.run("bag/entrants", room_id, args)
        return list(reply[2]) if reply[0] == "OK" else []

    async def entrants(self, room_id: str, bag_id: str) -> AsyncIterator[str]:
        """All entrants, in order. Raises LookupError if Redis does not have the bag."""
        first = 0
        while True:
            args: dict[str, str | int] = {
                "bag_id": bag_id,
                "first": first,
                "last": first + PAGE - 1,
            }
            code, *found = await self.run("bag/entrants", room_id, args)
            if code != "OK":
                raise LookupError(bag_id)
            total, page = found
            for buyer_id in page:
                yield buyer_id
            first += PAGE
            if first >= total:
                return

    async def tell_bag(
        self, room_id: str, bag: BagView, event: BagDrawn | BagVoid, *, keep_ms: int
    ) -> TellBagCode:
        """Tell the room that a bag is drawn or void, and put it into snapshots."""
        kind, rest = encode(event)
        args: dict[str, str | int] = {
            "bag_id": bag.bag_id,
            "state": bag.state.value,
            "doc": msgspec.json.encode(bag).decode(),
            "keep_ms": keep_ms,
            "history": self.history_size,
            "kind": kind,
            "rest": rest,
        }
        return TellBagCode((await self.run("bag/tell", room_id, args))[0])
