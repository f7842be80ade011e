"""/v1/rooms/{room_id}/stats: the numbers of a room; and reports of opened items."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.numbers.stats import ItemMinutes, RoomNumbers, Stats
from livesale.rooms.numbers.visits import Visits
from livesale.rooms.people.restrictions import Restrictions
from livesale.rooms.service import Rooms
from livesale.web.routes import Answer, Call, Nothing, Route
from stock.model import MAX_TIME_MS

MAX_MINUTES = 1_440


class StatsQuery(Struct, frozen=True):
    after: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="`next` of a page")] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_MINUTES, description="minutes")] = MAX_MINUTES


async def show_stats(parts: Parts, call: Call) -> Answer:
    query: StatsQuery = call.query or StatsQuery()
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await parts[Stats].of_room(room.room_id, query.after, query.limit))


async def show_item_stats(parts: Parts, call: Call) -> Answer:
    query: StatsQuery = call.query or StatsQuery()
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    item_id = call.path["item_id"]
    return Answer(200, await parts[Stats].of_item(room.room_id, item_id, query.after, query.limit))


async def open_item(parts: Parts, call: Call) -> Answer:
    path = call.path
    await take_opened(parts, path["room_id"], path["item_id"], call.buyer_id)
    return Answer(202, Nothing())


async def take_opened(parts: Parts, room_id: str, item_id: str, buyer_id: str) -> None:
    """Count that a buyer opened an item, reported by frame or call.

    Raises RoomRefused (room_over, banned), Unknown or StoreUnavailable.
    """
    await parts[Restrictions].admit(await parts[Rooms].shown(room_id), buyer_id)
    await parts[Visits].open(room_id, item_id, buyer_id)


_TELL = ("unknown_room", "not_yours", "store_unavailable")

ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/stats",
        show_stats,
        "The numbers of a room: viewers, what they opened, reserved and paid, by minute",
        "rooms",
        {200: RoomNumbers},
        _TELL,
        auth="member",
        action=Action.ROOM_READ,
        query=StatsQuery,
        description=(
            "For its host and operators; at most ten seconds old. Orders and money are exact for "
            "the part of the log that is in SQL. Kept after the room ends."
        ),
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/items/{item_id}/stats",
        show_item_stats,
        "The numbers of one item, by minute",
        "rooms",
        {200: ItemMinutes},
        ("unknown_item", *_TELL),
        auth="member",
        action=Action.ROOM_READ,
        query=StatsQuery,
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/items/{item_id}/opened",
        open_item,
        "Report that you opened this item",
        "shelf",
        {202: Nothing},
        ("unknown_room", "unknown_item", "room_over", "banned", "store_unavailable"),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description="For the host's numbers: counted once for each person and item.",
    ),
]
