"""/v1/rooms/{room_id}/items: the shelf of a room and the pinned item."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.events import ItemView
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.routes import RUN
from livesale.rooms.shelf import ItemEdit, MarkPage, NewItem, NewOrder, Shelf, Shelves
from livesale.validation.texts import whole
from livesale.web.making import make
from livesale.web.routes import Answer, Call, Nothing, Route


class MarksQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


async def _admit(parts: Parts, call: Call) -> str:
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
    return room.room_id


async def show_shelf(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Shelves].show(call.path["room_id"]))


async def show_whole_shelf(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Shelves].show_whole(await _admit(parts, call)))


async def add_item(parts: Parts, call: Call) -> Answer:
    room_id, shelves = await _admit(parts, call), parts[Shelves]
    return await make(
        call,
        f"item {room_id}",
        lambda once: shelves.add(room_id, call.body, once),
        lambda item_id: shelves.find(room_id, item_id),
    )


async def edit_item(parts: Parts, call: Call) -> Answer:
    room_id = await _admit(parts, call)
    return Answer(200, await parts[Shelves].edit(room_id, call.path["item_id"], call.body))


async def remove_item(parts: Parts, call: Call) -> Answer:
    room_id = await _admit(parts, call)
    await parts[Shelves].remove(room_id, call.path["item_id"])
    return Answer(200, await parts[Shelves].show_whole(room_id))


async def order_items(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Shelves].order(await _admit(parts, call), call.body))


async def pin_item(parts: Parts, call: Call) -> Answer:
    room_id = await _admit(parts, call)
    return Answer(200, await parts[Shelves].pin(room_id, call.path["item_id"]))


async def unpin_item(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Shelves].unpin(await _admit(parts, call)))


async def list_marks(parts: Parts, call: Call) -> Answer:
    query: MarksQuery = call.query or MarksQuery()
    room_id = call.path["room_id"]
    return Answer(200, await parts[Shelves].marks(room_id, query.after, query.limit))


_ITEM = "/v1/rooms/{room_id}/items/{item_id}"

ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/items",
        show_shelf,
        "The visible items of the shelf",
        "shelf",
        {200: Shelf},
        ("unknown_room", "store_unavailable"),
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/shelf",
        show_whole_shelf,
        "The whole shelf, with hidden items",
        "shelf",
        {200: Shelf},
        ("unknown_room", "not_yours", "store_unavailable"),
        auth="member",
        action=Action.ROOM_READ,
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/items",
        add_item,
        "Put an item on the shelf",
        "shelf",
        {201: ItemView, 200: ItemView},
        ("room_over", "shelf_full", "unknown_item", "idempotency_conflict", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=NewItem,
        keyed=True,
        changes=True,
        description=(
            "For host, assistants and operators, like every change of the shelf. "
            "With an `Idempotency-Key`, a retry makes nothing twice, and gets 200."
        ),
    ),
    Route(
        "PATCH",
        _ITEM,
        edit_item,
        "Change an item: show it, hide it, put it on sale",
        "shelf",
        {200: ItemView},
        ("unknown_item", "room_over", "version_conflict", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=ItemEdit,
        changes=True,
        description="Hiding an item unpins it.",
    ),
    Route(
        "DELETE",
        _ITEM,
        remove_item,
        "Remove an item from the shelf",
        "shelf",
        {200: Shelf},
        ("unknown_item", "room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        changes=True,
    ),
    Route(
        "PUT",
        "/v1/rooms/{room_id}/order",
        order_items,
        "Reorder the items",
        "shelf",
        {200: Shelf},
        ("room_over", "version_conflict", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=NewOrder,
        changes=True,
    ),
    Route(
        "POST",
        f"{_ITEM}/pin",
        pin_item,
        "Begin to explain an item; ends the previous one",
        "shelf",
        {200: Shelf},
        ("unknown_item", "item_hidden", "room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/unpin",
        unpin_item,
        "Stop explaining the item",
        "shelf",
        {200: Shelf},
        ("room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/marks",
        list_marks,
        "When each item was explained",
        "shelf",
        {200: MarkPage},
        ("unknown_room", "store_unavailable"),
        query=MarksQuery,
    ),
]
