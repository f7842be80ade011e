"""The frames that every viewer may send: `ping`, and `hello` with a token.

A browser cannot set a header for a socket, and a token in an address ends up in logs. So a client
without an `Authorization` header sends the token in its first frame.
"""

from typing import Annotated

from msgspec import Meta

from livesale.notices.routes import WantedPlace
from livesale.parts import Parts
from livesale.rooms.channel.frames import BadFrame, ClientFrame, Handle, Viewer
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.channel.messages import Pong, Welcome
from livesale.rooms.members import Members
from livesale.rooms.numbers.visits import Visits
from livesale.rooms.people.restrictions import Restrictions
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.service import Rooms
from livesale.tasks.clock import Clock
from livesale.tokens.errors import IdentityFault
from livesale.tokens.signing import MAX_TOKEN_LENGTH, Buyer, Operator, TokenSigner
from livesale.validation.refusals import RoomRefused


class Ping(ClientFrame, frozen=True, kw_only=True, tag="ping"):
    """A check of the connection. Answered by `pong` with the server's time."""


class ClientHello(ClientFrame, frozen=True, kw_only=True, tag="hello"):
    """Authenticates the viewer: once, and only without a header. With `mine`, messages `mine`
    follow."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN_LENGTH)]
    mine: WantedPlace | None = None


def on_ping(parts: Parts, viewer: Viewer, frame: Ping) -> None:
    viewer.tell(Pong(server_ms=parts[Clock].now_ms(), ref=frame.ref))


async def on_hello(parts: Parts, viewer: Viewer, frame: ClientHello) -> None:
    if viewer.greeted or viewer.caller is not None:
        raise BadFrame("out_of_order", "You are authenticated already.", ref=frame.ref)
    viewer.greeted = True
    try:
        caller = parts[TokenSigner].verify(frame.token)
    except IdentityFault as fault:
        raise BadFrame(fault.code, str(fault), "unauthenticated", frame.ref) from None
    room = await parts[Rooms].shown(viewer.room_id)
    role = await parts[Members].role_of(room, caller)
    if isinstance(caller, Buyer):  # last: no await after it, so a later ban finds this viewer
        await refuse_banned(parts, viewer.room_id, caller.buyer_id, frame.ref)
    viewer.caller, viewer.role = caller, role
    parts[HostSockets].welcome(viewer)
    if isinstance(caller, Buyer):
        parts[Visits].enter(viewer.room_id, caller.buyer_id)
    person_id = person_id_of(parts, viewer.room_id, caller)
    viewer.tell(Welcome(role=viewer.role, person_id=person_id, ref=frame.ref))
    if isinstance(caller, Buyer) and frame.mine is not None:
        viewer.open_private_channel(caller.buyer_id, frame.mine)


def person_id_of(parts: Parts, room_id: str, caller: Buyer | Operator | None) -> str | None:
    """The viewer's own id in the room's events."""
    return parts[PersonIds].of(room_id, caller.buyer_id) if isinstance(caller, Buyer) else None


async def refuse_banned(parts: Parts, room_id: str, buyer_id: str, ref: str | None) -> None:
    """Raises BadFrame for a buyer who may not be in the room."""
    try:
        await parts[Restrictions].check(room_id, buyer_id)
    except RoomRefused as refused:
        raise BadFrame(refused.code, refused.detail, "banned", ref) from None


FRAMES: dict[type[ClientFrame], Handle] = {Ping: on_ping, ClientHello: on_hello}
