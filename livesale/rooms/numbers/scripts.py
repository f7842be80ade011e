"""A room's scripts for its numbers: they count each person once for each thing."""

from collections.abc import Sequence

from msgspec import Struct

from livesale.rooms.keys import RoomKeys
from livesale.rooms.scripts import RoomGateway, new_epoch

MAX_NOTED = 500  # people in one call
KEEP_MS = 7 * 24 * 3_600_000  # after the last change: SQL has them long before

ENTERED, OPENED, LIKES, PEAK, ONLINE = "entered", "opened", "likes", "peak", "online"

ITEM = "item:"


def name_of_item(item_id: str) -> str:
    """The name of the count of people who opened an item."""
    return f"{ITEM}{item_id}"


class RoomTotals(Struct, frozen=True):
    """All counts since `born`."""

    born: str
    values: dict[str, int]


class NumbersGateway(RoomGateway):
    """All raise the faults of stock.errors. Every call may be repeated."""

    async def note(self, room_id: str, name: str, people: Sequence[str]) -> bool:
        """Count up to 500 people who did a thing; False if Redis does not have the room."""
        keys = RoomKeys.of(room_id).of_thing(name)
        args: dict[str, str | int] = {"name": name, "born": new_epoch(), "keep_ms": KEEP_MS}
        return str((await self.run("numbers/note", room_id, args, people, keys))[0]) == "NOTED"

    async def tally(self, room_id: str) -> RoomTotals | None:
        """The counts; None if Redis does not have the room."""
        args: dict[str, str | int] = {"born": new_epoch(), "keep_ms": KEEP_MS}
        reply = await self.run("numbers/tally", room_id, args)
        if reply[0] != "OK":
            return None
        _, born, peak, likes, counts = reply
        values = {name: int(count) for name, count in zip(counts[::2], counts[1::2], strict=True)}
        return RoomTotals(born, values | {PEAK: int(peak), LIKES: int(likes)})
