"""Comments in a room. Redis has the last ones; SQL gets all: `livesale.rooms.history`."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.identity.profiles.service import Face, Profiles
from livesale.resources import Deployment
from livesale.rooms.copy import RoomCopy
from livesale.rooms.members import RoomRole
from livesale.rooms.people.events import CommentView, Speaker
from livesale.rooms.people.metrics import COMMENTS
from livesale.rooms.people.scripts import Pace, Said, SayCode, UnsayCode, Words
from livesale.rooms.service import banned, room_over
from livesale.rooms.states import OVER, RoomState
from livesale.rooms.store import Room
from livesale.validation.blocked_words import BlockedWords, fold
from livesale.validation.refusals import InvalidField, RoomRefused, TooOften, Unknown
from livesale.validation.speech import clean
from stock.errors import Unreachable

MAX_SENT = 1_000  # characters, before cleaning

SentText = Annotated[str, Meta(min_length=1, max_length=MAX_SENT, description="plain text")]

_ALL = Pace(0, 1, 0)  # the word filter skips them
_SPEAKERS: dict[RoomRole, Speaker] = {
    RoomRole.VIEWER: "viewer",
    RoomRole.ASSISTANT: "assistant",
    RoomRole.HOST: "host",
}


class NewComment(Struct, frozen=True, forbid_unknown_fields=True):
    text: SentText


class Comments:
    """One per process. All raise the faults of stock.errors, StoreUnavailable and Unknown."""

    def __init__(
        self, deployment: Deployment, copy: RoomCopy, words: BlockedWords, profiles: Profiles
    ) -> None:
        self._live = live = deployment.settings.live
        self._copy = copy
        self._words = words
        self._profiles = profiles
        self._pace = Pace(live.comment_ms, live.comment_burst, 1000 / live.comments_per_s)

    async def say(self, room: Room, buyer_id: str, role: RoomRole, text: str) -> CommentView | None:
        """Post a comment. Returns None if it was the phrase of the lucky bag and the room is too
        busy to show it, or muted: it counts anyway.

        Raises InvalidField, TooOften, or RoomRefused: room_over, room_state (it is banned), muted,
        room_muted, banned, comment_blocked.
        """
        try:
            said = await self._say(room, buyer_id, role, text)
        except (InvalidField, RoomRefused, TooOften) as refused:
            COMMENTS.labels(refused.code).inc()
            raise
        COMMENTS.labels("said" if said else "counted").inc()
        return said

    async def _say(
        self, room: Room, buyer_id: str, role: RoomRole, text: str
    ) -> CommentView | None:
        if room.state in OVER:
            raise room_over()
        if room.state == RoomState.BANNED:
            raise RoomRefused("room_state", f"The room is {room.state}.")
        seen = self._seen(text, "text")
        if self._words.found_in(seen):
            raise RoomRefused("comment_blocked", "It contains blocked words.")
        pace = self._pace if role == RoomRole.VIEWER else _ALL
        person_id = self._copy.person_ids.of(room.room_id, buyer_id)
        face = await self._profiles.face(buyer_id)
        if role == RoomRole.HOST:  # the room may show another name of its host
            face = Face(room.host_name or face.nickname, room.host_avatar_url or face.avatar_url)
        words = Words(person_id, _SPEAKERS[role], seen, face.nickname, face.avatar_url)
        said = await self._send(room.room_id, buyer_id, words, pace)
        if said.code not in (SayCode.SAID, SayCode.COUNTED):
            raise _refusal(said)
        return said.comment

    def phrase(self, text: str) -> str:
        """The phrase of a lucky bag, cleaned like a comment. Raises InvalidField if viewers could
        not post it."""
        seen = self._seen(text, "phrase")
        if not fold(seen)[0]:
            raise InvalidField("phrase", "The phrase needs at least one letter or digit.")
        if self._words.found_in(seen):
            raise InvalidField("phrase", "It contains blocked words.")
        return seen

    def _seen(self, text: str, field: str) -> str:
        seen = clean(text)
        if not seen:
            raise InvalidField(field, "The text has no visible characters.")
        if len(seen) > self._live.comment_chars:
            detail = f"A comment has at most {self._live.comment_chars} characters."
            raise InvalidField(field, detail)
        return seen

    async def _send(self, room_id: str, buyer_id: str, words: Words, pace: Pace) -> Said:
        scripts, kept, folded = self._copy.people, self._live.comments_kept, fold(words.text)[0]
        return await self._copy.with_room(
            room_id,
            lambda: scripts.say(room_id, buyer_id, words, folded, pace, kept=kept),
            lambda said: said.code is SayCode.UNKNOWN_ROOM,
        )

    async def delete(self, room_id: str, comment_id: int, by: str) -> None:
        """Delete a comment; `by` is its author, empty for people who may delete any.

        Raises RoomRefused (not_yours). Safe to repeat.
        """
        code = await self._copy.people.unsay(room_id, comment_id, by)
        if code in (UnsayCode.UNKNOWN_ROOM, UnsayCode.UNKNOWN_COMMENT):
            raise Unknown("unknown_comment")
        if code is UnsayCode.NOT_YOURS:
            raise RoomRefused("not_yours", "It is not your comment, or too old to delete.")


def _refusal(said: Said) -> Exception:
    match said.code:
        case SayCode.MUTED:
            return RoomRefused("muted", "You cannot comment in this room now.", until_ms=said.ms)
        case SayCode.BANNED:
            return banned(said.ms)
        case SayCode.ALL_MUTED:
            return RoomRefused("room_muted", "Only the team of the room comments now.")
        case SayCode.TOO_OFTEN:
            return TooOften("buyer", said.ms)
        case SayCode.CROWDED:
            return TooOften("room", said.ms)
        case SayCode.OVER:
            return room_over()
    return Unreachable("redis does not have the room, although it was copied there")
