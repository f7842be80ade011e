"""Operators read what was said: by room, person, text and time."""

from collections.abc import Sequence

from msgspec import Struct, structs

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.history import store
from livesale.rooms.history.store import Cursor, Spoken, SpokenFilter
from livesale.rooms.person_ids import PersonIds
from livesale.validation.blocked_words import fold


class SpokenView(Struct, frozen=True):
    """A comment, with who said it: `person_id` in its room, and the buyer. `nickname` is that of
    then. `deleted_by` is its author, or the team of the room."""

    room_id: str
    comment_id: int
    at_ms: int
    person_id: str
    buyer_id: str
    role: str
    text: str
    nickname: str | None
    deleted_ms: int | None
    deleted_by: str | None


def folded(words: str) -> str:
    """Words as they are compared: letters and digits only; empty if there are none."""
    return fold(words)[0]


class CommentHistory:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, person_ids: PersonIds) -> None:
        self._sql = deployment.sql
        self._person_ids = person_ids

    async def page(
        self, wanted: SpokenFilter, person_id: str, before: Cursor | None, limit: int
    ) -> Sequence[SpokenView]:
        """The newest first. A `person_id` is one of the room.

        Raises Unknown("unknown_member") for a person id of another room.
        """
        if person_id:
            buyer_id = self._person_ids.buyer_of(wanted.room_id, person_id)
            wanted = structs.replace(wanted, buyer_id=buyer_id)
        async with session(self._sql) as connection:
            found = await store.find_spoken(connection, wanted, before, limit)
        return [self._view(one) for one in found]

    def _view(self, one: Spoken) -> SpokenView:
        return SpokenView(
            room_id=one.room_id,
            comment_id=one.comment_id,
            at_ms=one.at_ms,
            person_id=self._person_ids.of(one.room_id, one.buyer_id),
            buyer_id=one.buyer_id,
            role=one.role,
            text=one.text,
            nickname=one.nickname,
            deleted_ms=one.deleted_ms,
            deleted_by=one.deleted_by,
        )
