"""What a socket says to its own viewer: messages without a number. Events have numbers."""

from msgspec import Struct

from livesale.rooms.channel.channel import SnapshotMessage
from livesale.rooms.members import RoomRole


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message to one viewer; it has no `offset`, and is not repeated."""


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The first message. When `resumed`, what was missed follows; else a snapshot does."""

    room_id: str
    epoch: str
    offset: int  # the last event there is
    resumed: bool
    role: RoomRole
    person_id: str | None  # of the viewer in this room; None without a buyer's token
    ping_ms: int  # a client that hears nothing for three times as long is cut off
    server_ms: int


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The answer to a client's `hello`: who it is in this room."""

    role: RoomRole
    person_id: str | None  # of the viewer in this room; None without a buyer's token
    ref: str | None = None


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """The answer to a client's `ping`."""

    server_ms: int
    ref: str | None = None


class Commented(Message, frozen=True, kw_only=True, tag="commented"):
    """The answer to a client's `comment`: the number of its event. None: it was the phrase of the
    lucky bag, which counts, and too many speak for the others to hear it."""

    comment_id: int | None
    ref: str | None = None


class Failed(Message, frozen=True, kw_only=True, tag="error", omit_defaults=True):
    """A frame was refused; `code` is one of the API's problems, and so are its members."""

    code: str
    detail: str
    ref: str | None = None
    until_ms: int | None = None
    retry_after_s: int | None = None


MESSAGES: list[type[Struct]] = [Hello, SnapshotMessage, Welcome, Pong, Commented, Failed]
