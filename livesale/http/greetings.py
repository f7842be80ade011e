"""The frames every viewer may send: `ping`, and `hello`, which says who it is.

A browser cannot set a header for a socket, and a token in an address ends up in logs: so whoever
has no `Authorization` header says it in a first frame.
"""

from typing import Annotated

from msgspec import Meta

from livesale.http.frames import BadFrame, ClientFrame, Frames, Viewer
from livesale.http.messages import Pong, Welcome
from livesale.http.people_frames import add_frames
from livesale.http.services import Services
from livesale.identity.errors import IdentityFault
from livesale.identity.tokens import MAX_TOKEN_LENGTH, Buyer
from livesale.sales.errors import RoomRefused


class Ping(ClientFrame, frozen=True, kw_only=True, tag="ping"):
    """Is anybody there? Answered by `pong` with the time of the server."""


class ClientHello(ClientFrame, frozen=True, kw_only=True, tag="hello"):
    """Who this is: once, and only where no header said it."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN_LENGTH)]


def on_ping(services: Services, viewer: Viewer, frame: Ping) -> None:
    viewer.tell(Pong(server_ms=services.clock.now_ms(), ref=frame.ref))


async def on_hello(services: Services, viewer: Viewer, frame: ClientHello) -> None:
    if viewer.greeted or viewer.caller is not None:
        raise BadFrame("out_of_order", "It is known who this is.", ref=frame.ref)
    viewer.greeted = True
    try:
        caller = services.signer.verify(frame.token)
    except IdentityFault as fault:
        raise BadFrame(fault.code, str(fault), "unauthenticated", frame.ref) from None
    room = await services.rooms.shown(viewer.room_id)
    role = await services.members.role_of(room, caller)
    if isinstance(caller, Buyer):  # last: a ban that comes from now on finds who this is
        await refuse_banned(services, viewer.room_id, caller.buyer_id, frame.ref)
    viewer.caller, viewer.role = caller, role
    buyer_id = caller.buyer_id if isinstance(caller, Buyer) else None
    if buyer_id is not None:
        services.visits.enter(viewer.room_id, buyer_id)
    viewer.tell(Welcome(role=viewer.role, buyer_id=buyer_id, ref=frame.ref))


async def refuse_banned(services: Services, room_id: str, buyer_id: str, ref: str | None) -> None:
    """Raises BadFrame for a buyer who may not be in the room."""
    try:
        await services.bars.check(room_id, buyer_id)
    except RoomRefused as refused:
        raise BadFrame(refused.code, refused.detail, "banned", ref) from None


def make_frames() -> Frames:
    """All frames that there are. A part of the room that takes others adds them here."""
    frames = Frames()
    frames.add(Ping, on_ping)
    frames.add(ClientHello, on_hello)
    add_frames(frames)
    return frames
