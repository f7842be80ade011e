"""GET /v1/admin/cockpit, its socket and its drops"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.cockpit.cockpit import EVERY_S, Cockpit
from livesale.cockpit.figures import CockpitHello, DropFigure, Figures
from livesale.parts import Parts
from livesale.rooms.channel.handshake import accept_of, switch
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.operator_socket import OperatorSocket, cookie_of
from livesale.rooms.routes import ENGINE
from livesale.tasks.clock import Clock
from livesale.tokens.signing import Operator
from livesale.validation.texts import whole
from livesale.web.headers import Joined
from livesale.web.places import Places
from livesale.web.protocol import Connection
from livesale.web.routes import Answer, Call, Route
from livesale.web.sessions import OperatorSessions

MAX_PAGE = 100


class DropsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    room_id: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="only drops of this room")] = ""


class DropFigurePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    drops: list[DropFigure]
    next: str | None


async def show_cockpit(parts: Parts, _call: Call) -> Answer:
    return Answer(200, await parts[Cockpit].figures())


async def list_drops_now(parts: Parts, call: Call) -> Answer:
    query: DropsQuery = call.query
    found = await parts[Cockpit].drops.page(
        before=query.after, room_id=query.room_id, limit=query.limit
    )
    is_full = len(found) == query.limit
    return Answer(200, DropFigurePage(found, found[-1].drop_id if is_full else None))


async def open_cockpit(parts: Parts, call: Call) -> Answer:
    assert isinstance(call.caller, Operator)  # noqa: S101  the route asks for one
    assert call.headers is not None  # noqa: S101  the route upgrades
    headers, operator = Joined(call.headers), call.caller
    accept = accept_of(headers)
    cookie = cookie_of(parts, operator, headers)
    parts[Places].check_socket(call.keys, nameless=False)

    def upgrade(connection: Connection, request_id: str, site: str) -> None:
        hub = parts[Hub]
        sessions = parts[OperatorSessions]
        client = OperatorSocket(
            hub, parts[Cockpit], 0, operator, cookie, sessions, Action.COCKPIT_READ
        )
        hello = CockpitHello(
            operator=operator.name,
            every_ms=round(EVERY_S * 1000),
            ping_ms=round(hub.ping_s * 1000),
            server_ms=parts[Clock].now_ms(),
        )
        transport, rest = connection.hand_over(client, call.keys, nameless=False)
        client.begin(transport, switch(accept, request_id, site), hello, rest)

    return Answer(101, b"", upgrade=upgrade)


ROUTES = [
    Route(
        "GET",
        "/v1/admin/cockpit",
        show_cockpit,
        "What the service does now, at most a second old",
        "admin",
        {200: Figures},
        auth="operator",
        action=Action.COCKPIT_READ,
        description=(
            "The same as a message of the socket. It answers while SQL or Redis is away: then the "
            "parts say how old they are, and why."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/cockpit/drops",
        list_drops_now,
        "Figures of all drops that may still change, the newest first",
        "admin",
        {200: DropFigurePage},
        ("store_unavailable", *ENGINE),
        auth="operator",
        action=Action.COCKPIT_READ,
        query=DropsQuery,
    ),
    Route(
        "GET",
        "/v1/admin/cockpit/socket",
        open_cockpit,
        "What the service does now, as a WebSocket: a message a second",
        "admin",
        {101: bytes},
        ("upgrade_required", "invalid_parameter", "csrf_failed", "overloaded"),
        auth="operator",
        action=Action.COCKPIT_READ,
        upgrades=True,
        description=(
            "`/asyncapi.json` describes the messages. The socket closes within two seconds after "
            "the session ended (4401) or the role is lost (4405)."
        ),
    ),
]
