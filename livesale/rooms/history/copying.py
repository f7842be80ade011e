"""Copies what is said in rooms from Redis to SQL. Any number of keepers may do it.

The script that takes a comment adds it to a stream of its room in the same step. It is removed from
there when SQL has it: so a keeper that dies in between copies it again, which changes nothing.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import RedisError
from sqlalchemy.exc import IntegrityError

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.history import store
from livesale.rooms.history.store import Removal, Spoken
from livesale.rooms.keys import RoomKeys
from livesale.rooms.people.events import CommentView
from livesale.tasks import note_fault
from livesale.validation.blocked_words import fold
from stock.errors import Unreachable

AT_ONCE = 500  # entries of a room in one look; as many comments are written in one statement
MAX_TEXT, MAX_FOLDED = 500, 1_000

_decode = msgspec.json.Decoder(CommentView).decode


class CommentCopy:
    """All raise StoreUnavailable and Unreachable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._redis = deployment.redis
        self._keep_ms = deployment.settings.live.keep_s * 1000

    async def copy(self, room_ids: Sequence[str], *, over: bool = False) -> int:
        """Copy up to AT_ONCE comments of each of these rooms; returns how many entries there were.

        `over`: the rooms have ended, so what is empty now goes with their other keys.
        """
        if not room_ids:
            return 0
        found = await self._read(room_ids)
        for room_id, entries in found.items():
            await self._write(room_id, entries)
            await self._remove(room_id, [entry_id for entry_id, _ in entries], over=over)
        return sum(map(len, found.values()))

    async def _read(self, room_ids: Sequence[str]) -> dict[str, list[tuple[str, dict[str, str]]]]:
        """The entries of rooms that have some: plain commands in one pipeline."""
        try:
            async with self._redis.pipeline(transaction=False) as together:
                for room_id in room_ids:
                    together.xrange(RoomKeys.of(room_id).spoken_key, count=AT_ONCE)
                rows = await together.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        found: dict[str, list[tuple[str, dict[str, str]]]] = {}
        for room_id, entries in zip(room_ids, rows, strict=True):
            if isinstance(entries, list) and entries:
                found[room_id] = entries
            elif isinstance(entries, Exception):
                note_fault("comments: copy", entries, about=room_id)
        return found

    async def _write(self, room_id: str, entries: Sequence[tuple[str, dict[str, str]]]) -> None:
        spoken: list[Spoken] = []
        removals: list[Removal] = []
        for _, fields in entries:
            try:
                row = _row(room_id, fields)
            except (KeyError, ValueError, msgspec.MsgspecError) as fault:
                note_fault("comments: copy", fault, about=room_id)  # it is left out
                continue
            (removals if isinstance(row, Removal) else spoken).append(row)  # type: ignore[arg-type]
        try:
            async with session(self._sql, write=True) as connection:
                await store.add_spoken(connection, spoken)
                for removal in removals:
                    await store.note_removal(connection, removal)
        except IntegrityError:  # another keeper has just written some: now they are seen
            async with session(self._sql, write=True) as connection:
                await store.add_spoken(connection, spoken)
                for removal in removals:
                    await store.note_removal(connection, removal)

    async def _remove(self, room_id: str, entry_ids: Sequence[str], *, over: bool) -> None:
        key = RoomKeys.of(room_id).spoken_key
        try:
            await self._redis.xdel(key, *entry_ids)
            if over:
                await self._redis.pexpire(key, self._keep_ms)
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error


def _row(room_id: str, fields: dict[str, Any]) -> Spoken | Removal:
    """Raises KeyError, ValueError or MsgspecError for what no version has written."""
    if "d" in fields:
        by = "author" if fields["by"] else "team"
        return Removal(room_id, int(fields["d"]), int(fields["at"]), by)
    said = _decode(fields["c"])
    return Spoken(
        room_id=room_id,
        comment_id=said.comment_id,
        at_ms=said.at_ms,
        buyer_id=fields["by"],
        role=said.role,
        text=said.text[:MAX_TEXT],
        folded=fold(said.text)[0][:MAX_FOLDED],
        nickname=said.nickname,
    )
