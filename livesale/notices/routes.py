"""GET /v1/me/events: what happens to a buyer's own things, for clients without sockets."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.notices.events import OwnNotices
from livesale.notices.place import NEW, PLACE_PATTERN
from livesale.notices.service import Notices
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route

WantedPlace = Annotated[
    str, whole(PLACE_PATTERN, max_length=4_000, description="`place` of the last answer, or `new`")
]


class OwnEventsQuery(Struct, frozen=True):
    place: WantedPlace = NEW
    wait_ms: Annotated[int, Meta(ge=0, le=50_000, description="the longest wait for an event")] = 0


async def poll_own_events(parts: Parts, call: Call) -> Answer:
    query: OwnEventsQuery = call.query or OwnEventsQuery()
    wait_s = min(query.wait_ms, parts.deployment.settings.live.poll_ms) / 1000
    return Answer(200, await parts[Notices].poll(call.buyer_id, query.place, wait_s))


ROUTES = [
    Route(
        "GET",
        "/v1/me/events",
        poll_own_events,
        "What happens to your reservations and refunds, by long poll",
        "me",
        {200: OwnNotices},
        ("overloaded",),
        auth="buyer",
        query=OwnEventsQuery,
        description=(
            "Begin without `place`, then read `/v1/me/overview`, then ask again with the `place` "
            "of the last answer. `read_again`: something may have been missed, so read it again. "
            "Rooms' sockets send the same messages; `/asyncapi.json` describes the events."
        ),
    )
]
