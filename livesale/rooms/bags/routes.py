"""/v1/rooms/{room_id}/bags: lucky bags, entries and results."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.bags.entries import BagEntries, BagEntry, OwnEntry, OwnPrize
from livesale.rooms.bags.events import BagView
from livesale.rooms.bags.service import BagPage, BagRecord, Bags, NewBag
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.routes import ENGINE, RUN
from livesale.rooms.service import Rooms
from livesale.validation.texts import whole
from livesale.web.documents import takes_gzip
from livesale.web.making import make
from livesale.web.routes import Answer, Call, Nothing, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN


class BagsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


async def open_bag(parts: Parts, call: Call) -> Answer:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    room = await parts[Rooms].find(call.path["room_id"])
    bags = parts[Bags]

    async def find(bag_id: str) -> BagView:
        return await bags.view(room.room_id, bag_id)

    kind = f"bag {room.room_id}"
    return await make(call, kind, lambda once: bags.create(room, call.body, once), find)


async def list_bags(parts: Parts, call: Call) -> Answer:
    query: BagsQuery = call.query or BagsQuery()
    room = await parts[Rooms].shown(call.path["room_id"])
    return Answer(200, await parts[Bags].list(room.room_id, query.after, query.limit))


async def show_bag(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    record = await parts[Bags].record(room.room_id, call.path["bag_id"])
    headers = {"Vary": "Accept-Encoding"}
    accepted = call.headers.get("Accept-Encoding", "") if call.headers is not None else ""
    if record.packed is not None and takes_gzip(accepted):
        return Answer(200, record.packed, headers=headers | {"Content-Encoding": "gzip"})
    return Answer(200, record.raw, headers=headers)


async def enter_bag(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    role = await parts[Members].role_of_buyer(room, call.buyer_id)
    entry, is_new = await parts[BagEntries].enter(room, call.path["bag_id"], call.buyer_id, role)
    return Answer(201 if is_new else 200, entry)


async def show_own_entry(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    own = await parts[BagEntries].own(room.room_id, call.path["bag_id"], call.buyer_id)
    return Answer(200, own)


async def claim_prize(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    prize = await parts[BagEntries].claim(room.room_id, call.path["bag_id"], call.buyer_id)
    return Answer(200, prize)


_BAGS = "/v1/rooms/{room_id}/bags"
_BAG = f"{_BAGS}/{{bag_id}}"
_ENGINE = (*ENGINE, "store_unavailable")

declare_path_parameters(
    bag_id=PathParameter(DROP_ID_PATTERN, "unknown_bag", "A lucky bag's id"),
)

ROUTES = [
    Route(
        "POST",
        _BAGS,
        open_bag,
        "Open a lucky bag",
        "lucky bags",
        {201: BagView, 200: BagView},
        (
            "idempotency_conflict",
            *("unknown_drop", "room_state", "bag_running", "drop_closed", "terms_conflict"),
            *("books_broken", *RUN),
        ),
        auth="member",
        action=Action.ROOM_RUN,
        body=NewBag,
        keyed=True,
        changes=True,
        hides=("coupon",),
        description=(
            "One at a time in a room. Viewers get `bag.opened` with the `commitment` of the draw, "
            "and `bag.drawn` after the countdown. A drop must belong to the room and have the "
            "price 0; it opens with the bag. With an `Idempotency-Key`, a retry makes nothing "
            "twice, and gets 200."
        ),
    ),
    Route(
        "GET",
        _BAGS,
        list_bags,
        "The lucky bags of a room, the newest first",
        "lucky bags",
        {200: BagPage},
        ("unknown_room", "store_unavailable"),
        query=BagsQuery,
    ),
    Route(
        "GET",
        _BAG,
        show_bag,
        "A lucky bag, with everything needed to check its draw",
        "lucky bags",
        {200: BagRecord},
        ("unknown_room", "unknown_bag", *_ENGINE),
        reads_headers=True,
        description=(
            "At most a second old. Send `Accept-Encoding: gzip`: a list of 50,000 has 1.2 MB. "
            "`livesale bag check` replays the draw from it."
        ),
    ),
    Route(
        "POST",
        f"{_BAG}/entries",
        enter_bag,
        "Enter a lucky bag",
        "lucky bags",
        {200: BagEntry, 201: BagEntry},
        (
            *("unknown_room", "unknown_bag", "own_bag", "room_state", "room_over"),
            *("banned", "bag_closed", "bag_full", "phrase_missing", "stay_longer", *_ENGINE),
        ),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description=(
            "May be repeated: the answer is the same entry. If the bag requires a stay, the first "
            "call starts it: repeat the call every few seconds until it is over. If it has a "
            "`phrase`, post it in a comment first."
        ),
    ),
    Route(
        "GET",
        f"{_BAG}/entry",
        show_own_entry,
        "The result of your entry",
        "lucky bags",
        {200: OwnEntry},
        ("unknown_room", "unknown_bag", "unknown_reservation", "not_drawn", "bag_closed", *_ENGINE),
        auth="buyer",
    ),
    Route(
        "POST",
        f"{_BAG}/claim",
        claim_prize,
        "Claim your prize",
        "lucky bags",
        {200: OwnPrize},
        (
            *("unknown_room", "unknown_bag", "unknown_reservation", "not_drawn", "bag_closed"),
            *("no_prize", "prize_gone", "books_broken", *_ENGINE),
        ),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description=(
            "May be repeated. A unit has been an order since the draw: this returns it. A coupon "
            "shows its code if you claim it before `claim_by_ms`."
        ),
    ),
]
