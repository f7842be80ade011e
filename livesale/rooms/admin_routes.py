"""GET /v1/admin/rooms; DELETE /v1/rooms/{room_id}; seats; comments for the team only"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.drafts import RoomDrafts
from livesale.rooms.events import RoomView
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.routes import RUN
from livesale.rooms.seats import Seats
from livesale.rooms.service import Rooms
from livesale.rooms.states import RoomState
from livesale.rooms.store import RoomFilter
from livesale.validation.lists import AfterId, Limit, VersionQuery, Words, several, split
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Handler, Nothing, Route
from stock.model import MAX_TIME_MS


class RoomFilterQuery(Struct, frozen=True):
    """All filters that are given must fit."""

    q: Words = ""
    states: Annotated[
        str, whole(several(list(RoomState)), description="scheduled, live and so on")
    ] = ""
    host: Annotated[str, whole(r"^[A-Za-z0-9_-]{0,40}$", description="the host's buyer id")] = ""
    starts_since_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    starts_until_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="before it")] | None = (
        None
    )
    mine: Annotated[bool, Meta(description="only rooms that you host")] = False
    after: AfterId = ""
    limit: Limit = 50


class AdminRoom(Struct, frozen=True):
    """`online` are viewers now, null while that is unknown; `mine`: you host it."""

    room: RoomView
    created_ms: int
    state_ms: Annotated[int, Meta(description="since when it is in its state")]
    online: int | None
    mine: bool


class AdminRooms(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    rooms: list[AdminRoom]
    next: str | None


async def find_rooms(parts: Parts, call: Call) -> Answer:
    query = call.query
    wanted = RoomFilter(
        split(query.states),
        query.host,
        query.q,
        query.starts_since_ms,
        query.starts_until_ms,
        call.operator if query.mine else "",
    )
    found = await parts[Rooms].find_all(wanted, query.after, query.limit)
    mine = await parts[Seats].taken([one.room.room_id for one in found], call.operator)
    rooms = [
        AdminRoom(
            one.room,
            one.created_ms,
            one.state_ms,
            one.online,
            one.room.room_id in mine or one.room.host == call.operator,
        )
        for one in found
    ]
    is_full = len(rooms) == query.limit
    return Answer(200, AdminRooms(rooms, rooms[-1].room.room_id if is_full else None))


async def take_seat(parts: Parts, call: Call) -> Answer:
    await parts[Seats].take(call.path["room_id"], call.operator)
    return Answer(200, Nothing())


async def leave_seat(parts: Parts, call: Call) -> Answer:
    await parts[Seats].leave(call.path["room_id"], call.operator)
    return Answer(200, Nothing())


async def remove_room(parts: Parts, call: Call) -> Answer:
    await parts[RoomDrafts].remove(call.path["room_id"], call.query.version)
    return Answer(200, Nothing())


def _mute(*, muted: bool) -> Handler:
    async def mute(parts: Parts, call: Call) -> Answer:
        room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
        return Answer(200, await parts[Rooms].mute(room.room_id, muted=muted))

    mute.__name__ = "mute_room" if muted else "unmute_room"
    return mute


def _seat(method: str, handler: Handler, summary: str) -> Route:
    return Route(
        method,
        "/v1/rooms/{room_id}/seat",
        handler,
        summary,
        "rooms",
        {200: Nothing},
        ("unknown_room", "store_unavailable"),
        auth="operator",
        action=Action.ROOM_RUN,
        changes=True,
        description="May be repeated. `GET /v1/admin/rooms?mine=true` lists the rooms you host.",
    )


def _muter(verb: str, summary: str, *, muted: bool) -> Route:
    return Route(
        "POST",
        f"/v1/rooms/{{room_id}}/{verb}",
        _mute(muted=muted),
        summary,
        "people",
        {200: RoomView},
        ("room_over", *RUN),
        auth="member",
        action=Action.ROOM_MODERATE,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description=(
            "For host, assistants, operators. May be repeated. Viewers get `room.changed` with "
            "`muted`. Who says the phrase of a lucky bag while it is on takes part, and is not "
            "shown."
        ),
    )


ROUTES = [
    Route(
        "GET",
        "/v1/admin/rooms",
        find_rooms,
        "All rooms, the newest first",
        "admin",
        {200: AdminRooms},
        ("store_unavailable",),
        auth="operator",
        action=Action.ROOM_READ,
        query=RoomFilterQuery,
    ),
    Route(
        "DELETE",
        "/v1/rooms/{room_id}",
        remove_room,
        "Delete a room that never began",
        "rooms",
        {200: Nothing},
        ("room_state", "version_conflict", "in_use", *RUN),
        auth="operator",
        action=Action.ROOM_CREATE,
        query=VersionQuery,
        changes=True,
        description=(
            "With its shelf and its team. Refused while a drop, a lucky bag or a reminder belongs "
            "to it: end it instead."
        ),
    ),
    _seat("PUT", take_seat, "Host a room from the console"),
    _seat("DELETE", leave_seat, "No longer host it"),
    _muter("mute-all", "Let only the team of the room comment", muted=True),
    _muter("unmute-all", "Let everybody comment again", muted=False),
]
