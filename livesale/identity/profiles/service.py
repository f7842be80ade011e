"""Profiles: a buyer sets nickname and avatar, rooms show them, an operator takes them away."""

import asyncio
from collections.abc import Collection

import structlog
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.profiles import store
from livesale.identity.profiles.names import AvatarUrl, Names, SentName
from livesale.identity.profiles.store import ProfileRow
from livesale.tasks.ttl_cache import TtlCache

FACE_S = 5.0  # how long another worker shows the face before
FACE_WAIT_S = 0.5  # a comment waits no longer for the face of its author
MAX_FACES = 20_000  # remembered in a worker

log = structlog.get_logger(__name__)


class Face(Struct, frozen=True):
    """What others see of a person; null where the person set nothing."""

    nickname: str | None = None
    avatar_url: str | None = None


NOBODY = Face()


class Profile(Struct, frozen=True):
    """What you set. `changed_ms` is null until you set something."""

    buyer_id: str
    nickname: str | None
    avatar_url: str | None
    changed_ms: int | None


class ProfileEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes only the given members; null takes one away."""

    nickname: SentName | UnsetType | None = UNSET
    avatar_url: AvatarUrl | UnsetType | None = UNSET


class Profiles:
    """One per process. All but `face` raise StoreUnavailable."""

    def __init__(self, sql: AsyncEngine, names: Names) -> None:
        self._sql = sql
        self.names = names
        self._faces: TtlCache[Face] = TtlCache(
            self._load, ttl_s=FACE_S, max_found=MAX_FACES, stale_on=(StoreUnavailable,)
        )

    async def find(self, buyer_id: str) -> Profile:
        async with session(self._sql) as connection:
            return _profile(buyer_id, await store.find_profile(connection, buyer_id))

    async def change(self, buyer_id: str, edit: ProfileEdit) -> Profile:
        """Set the profile of a buyer. Raises InvalidField or NameBlocked."""
        given: dict[str, str | None] = {}
        if edit.nickname is not UNSET:
            name = edit.nickname
            given["nickname"] = self.names.name(name, "nickname") if name else None
        if edit.avatar_url is not UNSET:
            url = edit.avatar_url
            given["avatar_url"] = self.names.avatar(url, "avatar_url") if url else None
        return await self._put(buyer_id, **given)

    async def set_picture(self, buyer_id: str, url: str) -> Profile:
        """Set the avatar to a picture that the service itself keeps."""
        return await self._put(buyer_id, avatar_url=url)

    async def reset(self, buyer_id: str) -> Profile:
        """Take nickname and avatar away. Safe to repeat."""
        async with session(self._sql, write=True) as connection:
            before = await store.find_profile(connection, buyer_id, lock=True)
            await store.remove_profile(connection, buyer_id)
            note_change(_face(before), NOBODY)
        self._faces.forget(buyer_id)
        return _profile(buyer_id, None)

    async def face(self, buyer_id: str) -> Face:
        """What rooms show, at most FACE_S old. Nothing, rather than waiting, while SQL is away."""
        try:
            async with asyncio.timeout(FACE_WAIT_S):
                return await self._faces.get(buyer_id) or NOBODY
        except (StoreUnavailable, TimeoutError) as fault:
            log.debug("somebody is shown without a name", reason=type(fault).__name__)
            return NOBODY

    async def faces(self, buyer_ids: Collection[str]) -> dict[str, Face]:
        """The present faces of all of them."""
        if not buyer_ids:
            return {}
        async with session(self._sql) as connection:
            found = await store.find_profiles(connection, buyer_ids)
        return {buyer_id: _face(found.get(buyer_id)) for buyer_id in buyer_ids}

    async def _put(self, buyer_id: str, **given: str | None) -> Profile:
        try:
            row = await self._write(buyer_id, given)
        except IntegrityError:  # the first two at once
            row = await self._write(buyer_id, given)
        self._faces.forget(buyer_id)
        return _profile(buyer_id, row)

    async def _write(self, buyer_id: str, given: dict[str, str | None]) -> ProfileRow | None:
        async with session(self._sql, write=True) as connection:
            before = await store.find_profile(connection, buyer_id, lock=True)
            if not given:
                return before
            kept = {"nickname": before.nickname, "avatar_url": before.avatar_url} if before else {}
            row = ProfileRow(
                buyer_id=buyer_id,
                nickname=(kept | given).get("nickname"),
                avatar_url=(kept | given).get("avatar_url"),
                changed_ms=now_ms(),
            )
            await (store.put_profile if before else store.add_profile)(connection, row)
            return row

    async def _load(self, buyer_id: str) -> Face | None:
        async with session(self._sql) as connection:
            row = await store.find_profile(connection, buyer_id)
        return _face(row) if row else None


def _face(row: ProfileRow | None) -> Face:
    return Face(row.nickname, row.avatar_url) if row else NOBODY


def _profile(buyer_id: str, row: ProfileRow | None) -> Profile:
    if row is None:
        return Profile(buyer_id, None, None, None)
    return Profile(buyer_id, row.nickname, row.avatar_url, row.changed_ms)
