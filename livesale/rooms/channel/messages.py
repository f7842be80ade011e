"""Messages to one viewer. They have no number; events have."""

from msgspec import Struct

from livesale.notices.events import OwnNotices
from livesale.rooms.channel.channel import SnapshotMessage
from livesale.rooms.members import RoomRole


class Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message to one viewer; it has no `offset` and is never sent again."""


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The first message. If `resumed`, the missed events follow; else a snapshot."""

    room_id: str
    epoch: str
    offset: int  # the newest event
    resumed: bool
    role: RoomRole
    person_id: str | None  # of the viewer in this room; None without a buyer's token
    ping_ms: int  # a client that is silent for three times this is cut off
    server_ms: int


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The answer to a client's `hello`: its identity in this room."""

    role: RoomRole
    person_id: str | None  # of the viewer in this room; None without a buyer's token
    ref: str | None = None


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """The answer to a client's `ping`."""

    server_ms: int
    ref: str | None = None


class Commented(Message, frozen=True, kw_only=True, tag="commented"):
    """The answer to a client's `comment`: the number of its event. None: it was the phrase of the
    lucky bag; it counts, but is not shown, because the room is too busy."""

    comment_id: int | None
    ref: str | None = None


class Failed(Message, frozen=True, kw_only=True, tag="error", omit_defaults=True):
    """A frame was refused; `code` and members are those of the API's problems."""

    code: str
    detail: str
    ref: str | None = None
    until_ms: int | None = None
    retry_after_s: int | None = None


MESSAGES: list[type[Struct]] = [
    *(Hello, SnapshotMessage, Welcome, Pong, Commented, Failed),
    OwnNotices,
]
