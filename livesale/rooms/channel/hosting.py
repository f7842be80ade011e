"""GET /v1/rooms/{room_id}/host/socket: an operator hosts a room.

The console's host panel opens it. What it sends is what viewers get; what is heard from it counts
as the host's heartbeat. An operator who only looks opens the socket of viewers: looking keeps no
room on the air.
"""

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.channel.handshake import (
    OPENS_CHANNEL,
    ChannelQuery,
    accept_of,
    hello_of,
    open_channel,
    place_in,
    switch,
)
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.operator_socket import OperatorSocket, cookie_of
from livesale.rooms.members import RoomRole
from livesale.tokens.signing import Operator
from livesale.web.headers import Joined
from livesale.web.places import Places
from livesale.web.protocol import Connection
from livesale.web.routes import Answer, Call, Route
from livesale.web.sessions import OperatorSessions


async def open_host_socket(parts: Parts, call: Call) -> Answer:
    assert isinstance(call.caller, Operator)  # noqa: S101  the route asks for one
    assert call.headers is not None  # noqa: S101  the route upgrades
    headers, operator = Joined(call.headers), call.caller
    accept = accept_of(headers)
    cookie = cookie_of(parts, operator, headers)
    query: ChannelQuery = call.query or ChannelQuery()
    _, channel = await open_channel(parts, call.path["room_id"], query)
    parts[Places].check_socket(call.keys, nameless=False)

    def upgrade(connection: Connection, request_id: str, site: str) -> None:
        # No await between reading the ring and joining it.
        place = place_in(channel, query)
        client = OperatorSocket(
            parts[Hub],
            channel,
            place,
            operator,
            cookie,
            parts[OperatorSessions],
            Action.ROOM_RUN,
            RoomRole.HOST,
        )
        hello = hello_of(parts, channel, place, RoomRole.HOST)
        transport, rest = connection.hand_over(client, call.keys, nameless=False)
        client.begin(transport, switch(accept, request_id, site), hello, rest)
        parts[HostSockets].welcome_operator(client)

    return Answer(101, b"", upgrade=upgrade)


ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/host/socket",
        open_host_socket,
        "Host a room as an operator: its events as a WebSocket that is a heartbeat",
        "rooms",
        {101: bytes},
        ("upgrade_required", "invalid_parameter", "csrf_failed", "overloaded", *OPENS_CHANNEL),
        auth="operator",
        action=Action.ROOM_RUN,
        query=ChannelQuery,
        upgrades=True,
        description=(
            "The messages of the socket of viewers. While it is open and answers pings, the room "
            "stays on the air. It closes within two seconds after the session ended (4401) or the "
            "role is lost (4405). The client may send `ping`."
        ),
    )
]
