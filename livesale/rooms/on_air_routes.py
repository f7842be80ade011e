"""/v1/rooms/{room_id}/drops: drops that are sold in a room."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.store import Drop
from livesale.parts import Parts
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.on_air import Countdown, OnAir
from livesale.rooms.service import Rooms
from livesale.rooms.store import Room
from livesale.sales.drops import Adjustment
from livesale.validation.texts import prose
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Handler, Nothing, Route
from stock.ids import Origin, origin_id
from stock.model import MAX_UNITS

_RUN = ("unknown_room", "unknown_drop", "not_yours", *ENGINE_PROBLEMS, "store_unavailable")


class Restock(Struct, frozen=True, forbid_unknown_fields=True):
    units: Annotated[int, Meta(ge=1, le=MAX_UNITS, description="units to add")]
    reason: Annotated[str, prose(examples=["The host adds a box"])]


async def _admit(parts: Parts, call: Call) -> Room:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return await parts[Rooms].find(call.path["room_id"])


async def bind_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[OnAir].bind(call.path["room_id"], call.path["drop_id"]))


async def unbind_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[OnAir].unbind(call.path["room_id"], call.path["drop_id"]))


async def open_drop_on_air(parts: Parts, call: Call) -> Answer:
    room = await _admit(parts, call)
    seconds = call.body.countdown_s
    return Answer(200, await parts[OnAir].open(room, call.path["drop_id"], seconds))


def _verb(name: str) -> Handler:
    async def act(parts: Parts, call: Call) -> Answer:
        room = await _admit(parts, call)
        use: Callable[[Room, str], Awaitable[Drop]] = getattr(parts[OnAir], name)
        return Answer(200, await use(room, call.path["drop_id"]))

    act.__name__ = f"{name}_drop_on_air"
    return act


async def restock_drop(parts: Parts, call: Call) -> Answer:
    room = await _admit(parts, call)
    drop_id, body = call.path["drop_id"], call.body
    # Scoped to the room: its host and an operator may both say "1".
    kind_and_name = call.name.split("|")
    adjust_id = call.key and origin_id(drop_id, Origin.ROOM, *kind_and_name, call.key)
    made = await parts[OnAir].restock(room, drop_id, body.units, body.reason, adjust_id)
    return Answer(200, made)


_DROP = "/v1/rooms/{room_id}/drops/{drop_id}"


def _step(name: str, summary: str) -> Route:
    return Route(
        "POST",
        f"{_DROP}/{name}",
        _verb(name),
        summary,
        "on air",
        {200: Drop},
        ("not_opened", "drop_closed", *_RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="May be repeated: a repeat changes nothing and gets the same answer.",
    )


ROUTES = [
    Route(
        "PUT",
        _DROP,
        bind_drop,
        "Give a draft to a room",
        "on air",
        {200: Drop},
        ("room_over", "other_room", "shelf_full", "terms_conflict", *_RUN),
        auth="operator",
        action=Action.ROOM_DROP,
        changes=True,
        description="A drop stays with its room from its opening on.",
    ),
    Route(
        "DELETE",
        _DROP,
        unbind_drop,
        "Take a draft back from a room",
        "on air",
        {200: Drop},
        ("other_room", "drop_opened", "in_use", *_RUN),
        auth="operator",
        action=Action.ROOM_DROP,
        changes=True,
        description="May be repeated. Viewers get `drop.removed`.",
    ),
    Route(
        "POST",
        f"{_DROP}/open",
        open_drop_on_air,
        "Put a drop on sale after a countdown",
        "on air",
        {200: Drop},
        (
            *("room_state", "drop_closed", "terms_conflict", "too_little_stock"),
            *("line_needs_time", *_RUN),
        ),
        auth="member",
        action=Action.ROOM_RUN,
        body=Countdown,
        default_body=Countdown(),
        changes=True,
        description=(
            "Viewers get `drop.opening` with `opens_ms` at once, and `drop.open` at that time. "
            "May be repeated: the first countdown counts."
        ),
    ),
    _step("pause", "Stop new reservations"),
    _step("resume", "Sell again after a pause"),
    _step("close", "End the sale"),
    Route(
        "POST",
        f"{_DROP}/restock",
        restock_drop,
        "Add units",
        "on air",
        {200: Adjustment},
        (
            *("not_opened", "drop_closed", "too_few", "too_many", "too_little_stock"),
            "idempotency_conflict",
            *_RUN,
        ),
        auth="member",
        action=Action.ROOM_RUN,
        body=Restock,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry does not add twice.",
    ),
]
