"""/v1/rooms/{room_id}/publish: where the host sends the stream."""

from livesale.http.rooms import RUN
from livesale.http.routes import Answer, Call, Nothing, Route
from livesale.http.services import Services
from livesale.live.ingest import Publishing
from livesale.live.members import RoomRole


async def show_publishing(services: Services, call: Call) -> Answer:
    await services.members.admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await services.ingest.invite(call.path["room_id"]))


async def renew_publishing(services: Services, call: Call) -> Answer:
    await services.members.admit(call.path["room_id"], call.caller, RoomRole.HOST)
    return Answer(200, await services.ingest.renew(call.path["room_id"]))


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
        description="Keys that were given before stay good, each to its end.",
    ),
    Route(
        "POST",
        "/v1/rooms/{room_id}/publish",
        renew_publishing,
        "End all publish keys of the room, and give a new one",
        "rooms",
        {200: Publishing},
        ("ingest_off", "room_over", *RUN),
        auth="member",
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="For a key that got into wrong hands: a stream that comes in ends, too.",
    ),
]
