"""The registry of frames that clients may send; features of rooms add theirs.

A frame is one JSON object with a `type`. Its handler gets the viewer and the frame, and may be
async: then the viewer's next frames wait for it. An exception becomes an `error` message, like a
problem over HTTP; the room is not affected.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from livesale.parts import Parts
from livesale.rooms.members import RoomRole
from livesale.tokens.signing import Buyer, Operator
from livesale.web.problems import Problem

Ref = Annotated[str, Meta(max_length=64, description="comes back with the answer")]


class Viewer(Protocol):
    """The viewer of a socket."""

    room_id: str
    caller: Buyer | Operator | None
    role: RoomRole
    greeted: bool  # whether it has sent a hello

    @property
    def heard_s(self) -> float:
        """Loop time of the last byte from the client."""
        ...

    @property
    def is_open(self) -> bool: ...

    def tell(self, message: Struct) -> None:
        """Send a message to this viewer only."""
        ...

    def leave(self, why: str) -> None:
        """Close the socket, for a reason of livesale.rooms.channel.closes."""
        ...

    def open_private_channel(self, buyer_id: str, place: str) -> None:
        """Tell this viewer what happens to the buyer's own things, from a place on."""
        ...


class ClientFrame(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """The client chooses `ref`; it comes back with the answer or the error."""

    ref: Ref | None = None


Handle = Callable[[Parts, Viewer, Any], Awaitable[None] | None]  # arguments: parts, viewer, frame

MAX_REASON = 200


class BadFrame(Problem):
    """A frame that ends the socket; `why` is the close."""

    def __init__(self, code: str, detail: str, why: str = "bad_frame", ref: str | None = None):
        super().__init__(code, detail)
        self.why = why
        self.ref = ref


class _Head(Struct):
    type: str
    ref: Any = None


class Frames:
    """The registered frames, by type."""

    def __init__(self, handlers: Mapping[type[ClientFrame], Handle] | None = None) -> None:
        self.kinds: dict[str, type[ClientFrame]] = {}
        self._handlers: dict[str, Handle] = {}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}
        self._head = msgspec.json.Decoder(_Head).decode
        for kind, handle in (handlers or {}).items():
            self.add(kind, handle)

    def add(self, kind: type[ClientFrame], handle: Handle) -> None:
        """Register a frame. Raises ValueError for a duplicate type."""
        name = str(kind.__struct_config__.tag)
        if name in self.kinds:
            raise ValueError(f"two frames of the type {name!r}")
        self.kinds[name] = kind
        self._handlers[name] = handle
        self._decoders[name] = msgspec.json.Decoder(kind)

    def read(self, text: str) -> tuple[Handle, ClientFrame]:
        """The frame and its handler. Raises BadFrame."""
        try:
            head = self._head(text)
        except msgspec.ValidationError:
            raise BadFrame("invalid_field", "A frame is an object with a `type`.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadFrame("malformed_json", str(error)[:MAX_REASON]) from None
        ref = head.ref if isinstance(head.ref, str) and len(head.ref) <= 64 else None
        decoder = self._decoders.get(head.type)
        if decoder is None:
            raise BadFrame("unknown_frame", f"Unknown frame type: {head.type[:40]!r}.", ref=ref)
        try:
            return self._handlers[head.type], decoder.decode(text)
        except msgspec.ValidationError as error:
            raise BadFrame("invalid_field", str(error)[:MAX_REASON], ref=ref) from None
