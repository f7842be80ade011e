"""The numbered events of people in a room, as types. No I/O.

`person_id` is of this room alone: `livesale.rooms.person_ids`.
"""

from typing import Literal

from msgspec import Struct

from livesale.rooms.events import Event
from livesale.rooms.states import BarKind

Speaker = Literal["viewer", "assistant", "host"]


class PeopleView(Struct, frozen=True):
    """Who is in the room: open sockets now, the most there were, and likes of all time."""

    online: int
    peak: int
    likes: int


class CommentView(Struct, frozen=True):
    """What somebody said: plain text of one line, for a client to show as text and nothing else."""

    comment_id: int
    at_ms: int
    person_id: str
    role: Speaker
    text: str


class CommentRef(Struct, frozen=True):
    comment_id: int


class BarredViewer(Struct, frozen=True):
    """Who may not speak (mute), or not be here (ban), until `until_ms`."""

    person_id: str
    bar: BarKind
    until_ms: int


class UnbarredViewer(Struct, frozen=True):
    person_id: str
    bar: BarKind


class People(Event, frozen=True, kw_only=True, tag="people"):
    """Viewers, peak and likes as they are now; at most one in `live.people_ms`."""

    people: PeopleView


class Comment(Event, frozen=True, kw_only=True, tag="comment"):
    """Somebody said something."""

    comment: CommentView


class CommentDeleted(Event, frozen=True, kw_only=True, tag="comment.deleted"):
    """A comment was taken back: it is not to be shown any more."""

    comment: CommentRef


class ViewerBarred(Event, frozen=True, kw_only=True, tag="viewer.barred"):
    """Somebody may not speak, or not be here, for a while."""

    viewer: BarredViewer


class ViewerUnbarred(Event, frozen=True, kw_only=True, tag="viewer.unbarred"):
    """Somebody may speak again, or come in again, ahead of time."""

    viewer: UnbarredViewer


EVENTS: list[type[Event]] = [People, Comment, CommentDeleted, ViewerBarred, ViewerUnbarred]
