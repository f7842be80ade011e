"""GET /v1/rooms/{room_id}/events: events of a room for clients without sockets."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from livesale.parts import Parts
from livesale.rooms.bags.events import BagView
from livesale.rooms.channel.channels import Channels
from livesale.rooms.channel.handshake import OPENS_CHANNEL, After, Epoch
from livesale.rooms.channel.hub import Hub
from livesale.rooms.events import DropView, ItemView, RoomView
from livesale.rooms.people.events import CommentView, PeopleView
from livesale.rooms.service import Rooms, room_over
from livesale.rooms.states import OVER
from livesale.web.routes import Answer, Call, Route

MAX_EVENTS = 100  # events in one answer


class EventsQuery(Struct, frozen=True):
    epoch: Epoch = ""
    after: After = 0
    wait_ms: Annotated[int, Meta(ge=0, le=50_000, description="the longest wait for an event")] = 0


class SnapshotView(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """The room as it was after event `offset`."""

    epoch: str
    offset: int
    server_ms: int
    room: RoomView
    items: list[ItemView]
    drops: list[DropView]
    people: PeopleView
    comments: list[CommentView]
    bag: BagView | None


class EventPage(Struct, frozen=True):
    """Send `epoch` and `after` with the next request. A `snapshot` replaces all earlier events."""

    epoch: str
    after: int
    snapshot: SnapshotView | None
    events: list[dict[str, Any]]


async def poll_events(parts: Parts, call: Call) -> Answer:
    query: EventsQuery = call.query or EventsQuery()
    room = await parts[Rooms].shown(call.path["room_id"])
    if room.state in OVER:
        raise room_over()
    channel = await parts[Channels].open(room.room_id)
    if channel.over:  # the channel knows before our copy of SQL does
        raise room_over()
    await channel.catch_up(query.epoch, query.after)
    wait_s = min(query.wait_ms, parts[Hub].live.poll_ms) / 1000
    if query.epoch == channel.ring.epoch and query.after == channel.ring.last and wait_s:
        await channel.wait(wait_s)
    snapshot, after = b"null", query.after
    if query.epoch != channel.ring.epoch or not channel.ring.reaches(after):
        after, snapshot = await channel.snapshot()
    ring = channel.ring
    if not ring.reaches(after):  # a new epoch began just now: the client asks again
        return Answer(200, _page("", 0, b"null", []))
    found = ring.after(after, MAX_EVENTS)
    last = found[-1].offset if found else after
    return Answer(200, _page(ring.epoch, last, snapshot, [sent.text for sent in found]))


def _page(epoch: str, after: int, snapshot: bytes, events: list[bytes]) -> bytes:
    """An EventPage from encoded parts."""
    return b'{"epoch":"%s","after":%d,"snapshot":%s,"events":[%s]}' % (
        epoch.encode(),
        after,
        snapshot,
        b",".join(events),
    )


ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/events",
        poll_events,
        "The events of a room, by long poll",
        "rooms",
        {200: EventPage},
        OPENS_CHANNEL,
        query=EventsQuery,
        description=(
            "The same events as on the socket. Without `epoch` it begins with a snapshot."
        ),
    )
]
