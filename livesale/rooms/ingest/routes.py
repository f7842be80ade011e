"""/v1/rooms/{room_id}/publish: the address and key for the host's stream."""

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.ingest.service import Ingest, Publishing
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.routes import RUN
from livesale.settings import HOOK_PATTERN
from livesale.web.routes import Answer, Call, Nothing, PathParameter, Route, declare_path_parameters


async def show_publishing(parts: Parts, call: Call) -> Answer:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await parts[Ingest].invite(call.path["room_id"]))


async def renew_publishing(parts: Parts, call: Call) -> Answer:
    await parts[Members].admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await parts[Ingest].renew(call.path["room_id"]))


declare_path_parameters(
    hook_secret=PathParameter(HOOK_PATTERN, "hook_refused", "Of the settings"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/publish",
        show_publishing,
        "Where to send the stream, with a new publish key",
        "rooms",
        {200: Publishing},
        ("ingest_off", "room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        description="Earlier keys stay valid until they expire.",
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/publish",
        renew_publishing,
        "End all publish keys of the room, and make a new one",
        "rooms",
        {200: Publishing},
        ("ingest_off", "room_over", *RUN),
        auth="member",
        action=Action.ROOM_RUN,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="Use it if a key was leaked: a running stream ends, too.",
    ),
]
