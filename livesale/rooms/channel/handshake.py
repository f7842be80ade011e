"""GET /v1/rooms/{room_id}/socket: the handshake of a WebSocket."""

import base64
import binascii
from typing import Annotated

from msgspec import Meta, Struct
from wsproto.utilities import generate_accept_token

from livesale.notices.routes import WantedPlace
from livesale.parts import Parts
from livesale.rooms.channel.channel import Channel
from livesale.rooms.channel.channels import Channels
from livesale.rooms.channel.greetings import person_id_of
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.messages import Hello
from livesale.rooms.channel.socket import Socket
from livesale.rooms.members import Members, RoomRole
from livesale.rooms.numbers.visits import Visits
from livesale.rooms.people.restrictions import Restrictions
from livesale.rooms.routes import ENGINE
from livesale.rooms.service import Rooms, room_over
from livesale.rooms.states import OVER
from livesale.rooms.store import Room
from livesale.tasks.clock import Clock
from livesale.tokens.signing import Buyer, TokenSigner
from livesale.validation.texts import whole
from livesale.web.endpoint import upgrade_required
from livesale.web.headers import Headers, Joined
from livesale.web.parsing import read_bearer
from livesale.web.places import Places
from livesale.web.problems import Problem
from livesale.web.protocol import Connection
from livesale.web.routes import Answer, Call, Route

# Problems of opening a room's channel, by socket or long poll.
OPENS_CHANNEL = ("unknown_room", "room_over", *ENGINE, "store_unavailable")
EPOCH_PATTERN = r"^[0-9a-f]{0,16}$"
MAX_OFFSET = 2**53

After = Annotated[int, Meta(ge=0, le=MAX_OFFSET, description="number of the client's last event")]
Epoch = Annotated[str, whole(EPOCH_PATTERN, description="epoch of that number; empty at first")]


class ChannelQuery(Struct, frozen=True):
    epoch: Epoch = ""
    after: After = 0


class SocketQuery(ChannelQuery, frozen=True):
    mine: WantedPlace | None = None


async def open_socket(parts: Parts, call: Call) -> Answer:
    assert call.headers is not None  # noqa: S101  the route upgrades
    accept = accept_of(Joined(call.headers))
    caller = read_bearer(parts[TokenSigner], call.headers)
    query: SocketQuery = call.query or SocketQuery()
    room, channel = await open_channel(parts, call.path["room_id"], query)
    role = await parts[Members].role_of(room, caller)
    if isinstance(caller, Buyer):  # last: by now we know of bans in the events
        await parts[Restrictions].check(room.room_id, caller.buyer_id)
    parts[Places].check_socket(call.keys, nameless=caller is None)

    def upgrade(connection: Connection, request_id: str, site: str) -> None:
        # No await between reading the ring and joining it.
        place = place_in(channel, query)
        client = Socket(parts[Hub], channel, place, caller, role)
        person_id = person_id_of(parts, room.room_id, caller)
        hello = hello_of(parts, channel, place, role, person_id)
        if isinstance(caller, Buyer):
            parts[Visits].enter(room.room_id, caller.buyer_id)
        transport, rest = connection.hand_over(client, call.keys, nameless=caller is None)
        client.begin(transport, switch(accept, request_id, site), hello, rest)
        parts[HostSockets].welcome(client)
        if isinstance(caller, Buyer) and query.mine is not None:
            client.open_private_channel(caller.buyer_id, query.mine)

    return Answer(101, b"", upgrade=upgrade)


async def open_channel(parts: Parts, room_id: str, query: ChannelQuery) -> tuple[Room, Channel]:
    """The room and its channel, which has the client's last event.

    Raises RoomRefused (room_over), Unknown, StoreUnavailable or the faults of stock.errors.
    """
    room = await parts[Rooms].shown(room_id)
    if room.state in OVER:
        raise room_over()
    channel = await parts[Channels].open(room.room_id)
    if channel.over:  # the channel knows before our copy of SQL does
        raise room_over()
    await channel.catch_up(query.epoch, query.after)
    return room, channel


def place_in(channel: Channel, query: ChannelQuery) -> int:
    """The number of the client's last event; -1 if a snapshot must come first."""
    known = query.epoch == channel.ring.epoch and channel.ring.reaches(query.after)
    return query.after if known else -1


def hello_of(
    parts: Parts, channel: Channel, place: int, role: RoomRole, person_id: str | None = None
) -> Hello:
    return Hello(
        room_id=channel.room_id,
        epoch=channel.ring.epoch,
        offset=channel.ring.last,
        resumed=place >= 0,
        role=role,
        person_id=person_id,
        ping_ms=round(parts[Hub].ping_s * 1000),
        server_ms=parts[Clock].now_ms(),
    )


def switch(accept: str, request_id: str, site: str) -> bytes:
    """The head of the answer to a handshake."""
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nServer: livesale\r\n"
        f"X-Request-Id: {request_id}\r\n{site}\r\n"
    )
    return head.encode()


def accept_of(headers: Headers) -> str:
    """The answer to a client's key. Raises Problem for an invalid handshake (RFC 6455, 4.2)."""
    names = {name.strip().lower() for name in (headers.get("Connection") or "").split(",")}
    asked = (headers.get("Upgrade") or "").strip().lower()
    if asked != "websocket" or "upgrade" not in names:
        raise upgrade_required()
    if (headers.get("Sec-WebSocket-Version") or "").strip() != "13":
        raise upgrade_required()
    key = (headers.get("Sec-WebSocket-Key") or "").strip()
    try:
        good = len(base64.b64decode(key.encode(), validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    if not good:
        detail = "It is 16 bytes in base64."
        raise Problem("invalid_parameter", detail, field="Sec-WebSocket-Key", where="header")
    return generate_accept_token(key.encode()).decode()


ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/socket",
        open_socket,
        "The events of a room, as a WebSocket",
        "rooms",
        {101: bytes},
        (
            "upgrade_required",
            "invalid_parameter",
            "invalid_token",
            "expired_token",
            *OPENS_CHANNEL,
            "banned",
        ),
        query=SocketQuery,
        upgrades=True,
        description=(
            "`/asyncapi.json` describes the messages and frames. Send `epoch` and `after` of your "
            "last event: you get the events you missed, or a snapshot if they are no longer "
            "kept. A bearer token is optional: if you cannot send the header, send the token in a "
            "frame `hello`. With `mine` (`new`, or the last `place`), a buyer also gets messages "
            "`mine`."
        ),
    )
]
