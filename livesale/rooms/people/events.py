"""The numbered events of people in a room, as types. No I/O.

A `person_id` is valid only in this room: `livesale.rooms.person_ids`.
"""

from typing import Literal

from msgspec import Struct

from livesale.rooms.events import Event
from livesale.rooms.states import BarKind

Speaker = Literal["viewer", "assistant", "host"]


class PeopleView(Struct, frozen=True):
    """People in the room: open sockets now, the peak, and all likes."""

    online: int
    peak: int
    likes: int


class CommentView(Struct, frozen=True):
    """A comment: one line of plain text. Clients must show it as text only, not as markup."""

    comment_id: int
    at_ms: int
    person_id: str
    role: Speaker
    text: str
    nickname: str | None = None  # null: the person set none
    avatar_url: str | None = None


class CommentRef(Struct, frozen=True):
    comment_id: int


class BarredViewer(Struct, frozen=True):
    """A person who may not comment (mute), or not enter (ban), until `until_ms`."""

    person_id: str
    bar: BarKind
    until_ms: int
    nickname: str | None = None
    avatar_url: str | None = None


class UnbarredViewer(Struct, frozen=True):
    person_id: str
    bar: BarKind
    nickname: str | None = None
    avatar_url: str | None = None


class People(Event, frozen=True, kw_only=True, tag="people"):
    """The present viewers, peak and likes; at most one event in `live.people_ms`."""

    people: PeopleView


class Comment(Event, frozen=True, kw_only=True, tag="comment"):
    """A viewer posted a comment."""

    comment: CommentView


class CommentDeleted(Event, frozen=True, kw_only=True, tag="comment.deleted"):
    """A comment was deleted: remove it from the screen."""

    comment: CommentRef


class ViewerBarred(Event, frozen=True, kw_only=True, tag="viewer.barred"):
    """A viewer was muted or banned."""

    viewer: BarredViewer


class ViewerUnbarred(Event, frozen=True, kw_only=True, tag="viewer.unbarred"):
    """A mute or ban was lifted before its end."""

    viewer: UnbarredViewer


EVENTS: list[type[Event]] = [People, Comment, CommentDeleted, ViewerBarred, ViewerUnbarred]
