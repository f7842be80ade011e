"""/v1/rooms: rooms, their lifecycle, and assistants."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.identity.profiles.service import Profiles
from livesale.parts import Parts
from livesale.rooms.events import RoomView
from livesale.rooms.ingest.playback import PlaybackUrls, ShownPage, ShownRoom
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.members import Assistants, Members, RoomFace, RoomRole
from livesale.rooms.person_ids import PERSON_ID_PATTERN, PersonIds
from livesale.rooms.service import NewRoom, RoomEdit, Rooms
from livesale.rooms.states import RoomState, Verb
from livesale.rooms.store import Room
from livesale.rooms.views import view_of_room
from livesale.validation.texts import whole
from livesale.web.making import make
from livesale.web.routes import (
    Answer,
    Auth,
    Call,
    Handler,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)
from stock.ids import DROP_ID_PATTERN, ROOM_ID_PATTERN

# Problems of any call to Redis.
ENGINE = ("overloaded", "outcome_unknown", "fenced", "engine_refused")
RUN = ("unknown_room", "not_yours", *ENGINE, "store_unavailable")


_STATE = f"({'|'.join(RoomState)})"


class RoomsQuery(Struct, frozen=True):
    state: RoomState = RoomState.LIVE
    states: Annotated[
        str,
        whole(
            rf"^({_STATE}(,{_STATE}){{0,{len(RoomState) - 1}}})?$",
            description="several states, with commas between them, in place of `state`",
            examples=["live,scheduled"],
        ),
    ] = ""
    after: Annotated[
        str, whole(rf"^({_STATE}\.)?[0-9a-z]{{0,15}}$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


async def create_room(parts: Parts, call: Call) -> Answer:
    rooms = parts[Rooms]

    async def find(room_id: str) -> RoomView:
        return view_of_room(await rooms.find(room_id))

    return await make(call, "room", lambda once: rooms.create(call.body, once), find)


async def list_rooms(parts: Parts, call: Call) -> Answer:
    query: RoomsQuery = call.query or RoomsQuery()
    states = {RoomState(name) for name in query.states.split(",") if name} or {query.state}
    page = await parts[Rooms].list(states, query.after, query.limit)
    return Answer(200, parts[PlaybackUrls].show_page(page))


async def show_room(parts: Parts, call: Call) -> Answer:
    room = await parts[Rooms].shown(call.path["room_id"])
    return Answer(200, parts[PlaybackUrls].show(view_of_room(room)))


async def edit_room(parts: Parts, call: Call) -> Answer:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await parts[Rooms].edit(call.path["room_id"], call.body))


async def beat(parts: Parts, call: Call) -> Answer:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    room = await parts[Rooms].find(call.path["room_id"])
    return Answer(200, view_of_room(await parts[RoomLifecycle].beat(room)))


def _mover(verb: Verb, least: RoomRole) -> Handler:
    async def move(parts: Parts, call: Call) -> Answer:
        await parts[Members].admit(call.path["room_id"], call.caller, least)
        return Answer(200, view_of_room(await parts[RoomLifecycle].act(call.path["room_id"], verb)))

    move.__name__ = f"{verb}_room"
    return move


async def list_assistants(parts: Parts, call: Call) -> Answer:
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.ASSISTANT)
    return await _assistants(parts, room, await parts[Members].assistants(room.room_id))


async def appoint_assistant(parts: Parts, call: Call) -> Answer:
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    buyer_id = parts[PersonIds].buyer_of(room.room_id, call.path["person_id"])
    return await _assistants(parts, room, await parts[Members].appoint(room.room_id, buyer_id))


async def dismiss_assistant(parts: Parts, call: Call) -> Answer:
    room = await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    buyer_id = parts[PersonIds].buyer_of(room.room_id, call.path["person_id"])
    return await _assistants(parts, room, await parts[Members].dismiss(room.room_id, buyer_id))


async def _assistants(parts: Parts, room: Room, buyers: list[str]) -> Answer:
    faces = await parts[Profiles].faces(buyers)
    people = [
        RoomFace(
            parts[PersonIds].of(room.room_id, buyer_id),
            faces[buyer_id].nickname,
            faces[buyer_id].avatar_url,
        )
        for buyer_id in buyers
    ]
    return Answer(200, Assistants([person.person_id for person in people], people))


def _step(verb: Verb, summary: str, *, auth: Auth = "member") -> Route:
    for_operators = auth == "operator"
    least = RoomRole.OPERATOR if for_operators else RoomRole.HOST
    return Route(
        "POST",
        f"/v1/rooms/{{room_id}}/{verb}",
        _mover(verb, least),
        summary,
        "rooms",
        {200: RoomView},
        ("room_state", "room_over", *RUN),
        auth=auth,
        action=Action.ROOM_BAN if for_operators else Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="May be repeated: a repeat changes nothing and gets the same answer.",
    )


_ASSISTANT = "/v1/rooms/{room_id}/assistants/{person_id}"

declare_path_parameters(
    room_id=PathParameter(ROOM_ID_PATTERN, "unknown_room", "A room's id"),
    item_id=PathParameter(DROP_ID_PATTERN, "unknown_item", "An item's id"),
    person_id=PathParameter(PERSON_ID_PATTERN, "unknown_member", "A person's id in this room"),
)

ROUTES = [
    Route(
        "POST",
        "/v1/rooms",
        create_room,
        "Create a room for a host",
        "rooms",
        {201: RoomView, 200: RoomView},
        ("name_blocked", "unknown_room", "idempotency_conflict", "store_unavailable"),
        auth="operator",
        action=Action.ROOM_CREATE,
        body=NewRoom,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry makes nothing twice, and gets 200.",
    ),
    Route(
        "GET",
        "/v1/rooms",
        list_rooms,
        "Rooms in one or several states, live ones by default, with their viewers",
        "rooms",
        {200: ShownPage},
        ("store_unavailable",),
        query=RoomsQuery,
        description=(
            "Live rooms first, then paused, abnormal, scheduled, banned, ended and expired ones; "
            "the newest of a state first. At most a second old; `online` is what the room was "
            "told last."
        ),
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}",
        show_room,
        "A room and its playback URLs",
        "rooms",
        {200: ShownRoom},
        ("unknown_room", "store_unavailable"),
        description=(
            "At most a second old; events are newer. The playback URLs never change, so events "
            "do not have them."
        ),
    ),
    Route(
        "PATCH",
        "/v1/rooms/{room_id}",
        edit_room,
        "Change title, time, cover, or the host's name and avatar",
        "rooms",
        {200: RoomView},
        ("room_over", "version_conflict", "name_blocked", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=RoomEdit,
        changes=True,
    ),
    _step(Verb.START, "Go live"),
    _step(Verb.PAUSE, "Pause the show"),
    _step(Verb.RESUME, "Continue after a pause"),
    _step(Verb.END, "End the room"),
    _step(Verb.BAN, "Take a room off the air", auth="operator"),
    _step(Verb.UNBAN, "Lift the ban of a room: it is paused", auth="operator"),
    Route(
        "POST",
        "/v1/rooms/{room_id}/heartbeat",
        beat,
        "Heartbeat of the host: send it about every ten seconds",
        "rooms",
        {200: RoomView},
        ("room_state", "room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        description=(
            "If the host is silent, a live or paused room becomes `abnormal`, and later ends."
        ),
    ),
    Route(
        "GET",
        "/v1/rooms/{room_id}/assistants",
        list_assistants,
        "The assistants of a room",
        "rooms",
        {200: Assistants},
        ("unknown_room", "not_yours", "store_unavailable"),
        auth="member",
        action=Action.ROOM_READ,
    ),
    Route(
        "PUT",
        _ASSISTANT,
        appoint_assistant,
        "Make a person an assistant",
        "rooms",
        {200: Assistants},
        ("unknown_room", "unknown_member", "not_yours", "too_many_members", "store_unavailable"),
        auth="member",
        action=Action.ROOM_RUN,
        changes=True,
    ),
    Route(
        "DELETE",
        _ASSISTANT,
        dismiss_assistant,
        "Remove an assistant",
        "rooms",
        {200: Assistants},
        ("unknown_room", "unknown_member", "not_yours", "store_unavailable"),
        auth="member",
        action=Action.ROOM_RUN,
        changes=True,
    ),
]
