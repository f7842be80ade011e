"""Mutes and bans: SQL decides, Redis copies, and an event informs every worker.

A mute stops a buyer's comments; a ban also closes socket, events and likes to the buyer's token.
Both have an end. A caller can only restrict people below the caller's role.
"""

from typing import Annotated

import structlog
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.profiles.service import NOBODY, Face, Profiles
from livesale.resources import Deployment
from livesale.rooms import store as store_rooms
from livesale.rooms.copy import RoomCopy, untils_of
from livesale.rooms.events import Event
from livesale.rooms.people import store
from livesale.rooms.people.events import (
    BarredViewer,
    UnbarredViewer,
    ViewerBarred,
    ViewerUnbarred,
)
from livesale.rooms.people.scripts import until_text
from livesale.rooms.people.store import Restriction
from livesale.rooms.person_ids import PERSON_ID_PATTERN
from livesale.rooms.scripts import ChangeCode
from livesale.rooms.service import banned, room_over
from livesale.rooms.states import OVER, BarKind
from livesale.rooms.store import Room
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import RoomRefused, Unknown
from livesale.validation.texts import prose, whole

BARS_S = 1.0  # cache time of the list that is checked at the entrance
MAX_RESTRICTED = (
    2_000  # restricted buyers of one room; a full list still allows renewing and lifting
)
MAX_S = 10 * 365 * 86_400

PersonId = Annotated[str, whole(PERSON_ID_PATTERN, description="of this room")]

log = structlog.get_logger(__name__)


class NewBar(Struct, frozen=True, forbid_unknown_fields=True):
    """Only people who run the room see `reason`."""

    person_id: PersonId
    seconds: Annotated[int, Meta(ge=1, le=MAX_S, description="from now on")]
    reason: Annotated[str, prose(examples=["Sells something else here"])] | None = None


class BarredBy(Struct, frozen=True):
    """Either the host or an assistant, by person id, or an operator, by name."""

    person_id: str | None = None
    operator: str | None = None


class BarView(Struct, frozen=True):
    person_id: str
    kind: BarKind
    until_ms: int
    reason: str
    barred_by: BarredBy
    created_ms: int
    nickname: str | None = None
    avatar_url: str | None = None


class BarList(Struct, frozen=True):
    bars: list[BarView]


class Restrictions:
    """One per process. All methods raise StoreUnavailable. Changes also raise Unknown and the
    faults of stock.errors: then SQL has the change, and the keeper updates Redis."""

    def __init__(self, deployment: Deployment, copy: RoomCopy, profiles: Profiles) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._copy = copy
        self._profiles = profiles
        self._person_ids = copy.person_ids
        self._bans: TtlCache[dict[str, int]] = TtlCache(
            self._load_bans, ttl_s=BARS_S, stale_on=(StoreUnavailable,)
        )

    async def check(self, room_id: str, buyer_id: str) -> None:
        """Raises RoomRefused (banned). Uses a list that is at most a second old."""
        until_ms = (await self._bans.get(room_id) or {}).get(buyer_id, 0)
        if until_ms > now_ms():
            raise banned(until_ms)

    async def admit(self, room: Room, buyer_id: str) -> None:
        """Raises RoomRefused (room_over, banned) if the buyer may not take part."""
        if room.state in OVER:
            raise room_over()
        await self.check(room.room_id, buyer_id)

    def look_again(self, room_id: str) -> None:
        """Drop the cached list after a ban, so that an immediate reconnect is refused."""
        self._bans.forget(room_id)

    async def set(
        self, room_id: str, kind: BarKind, buyer_id: str, new: NewBar, by: str
    ) -> BarView:
        """Mute or ban a buyer; replaces an earlier bar of the same kind. Raises RoomRefused:
        room_over, or too_many_members with `until_ms`, when the first bar ends.

        The limit counts people: it never blocks renewing a bar, or banning a muted buyer."""
        made_ms = await self._engine.now_ms()
        until_ms = made_ms + new.seconds * 1000
        bar = Restriction(room_id, buyer_id, kind, until_ms, new.reason or "", by, made_ms)
        async with session(self._sql, write=True) as connection:
            room = await store_rooms.lock_room(connection, room_id)
            if room is None:
                raise Unknown("unknown_room")
            if room.state in OVER:
                raise room_over()
            await store.forget_restrictions(connection, room_id, made_ms)
            others, first_ms = await store.count_restricted(connection, room_id, besides=buyer_id)
            if others >= MAX_RESTRICTED and not await store.restrictions_on(
                connection, room_id, buyer_id
            ):
                detail = f"{others} people are muted or banned here, the maximum. Lift one first."
                raise RoomRefused("too_many_members", detail, until_ms=first_ms)
            was = await store.restrictions_on(connection, room_id, buyer_id)
            await store.put_restriction(connection, bar)
            before = [self._view(one) for one in was if one.kind == kind]
            note_change(before[0] if before else None, self._view(bar))
            version = await store.count_up(connection, room_id)
            until = await self._until(connection, room_id, buyer_id)
        log.info(
            "somebody was muted or banned", room_id=room_id, kind=kind, buyer_id=buyer_id, by=by
        )
        person_id = self._person_ids.of(room_id, buyer_id)
        face = await self._profiles.face(buyer_id)
        viewer = BarredViewer(person_id, kind, until_ms, face.nickname, face.avatar_url)
        await self._publish(room_id, version, buyer_id, until, ViewerBarred(viewer=viewer))
        return self._view(bar, face)

    async def lift(self, room_id: str, kind: BarKind, buyer_id: str) -> None:
        """End a bar before its time. Lifting a missing bar is no error."""
        async with session(self._sql, write=True) as connection:
            if await store_rooms.lock_room(connection, room_id) is None:
                raise Unknown("unknown_room")
            was = await store.restrictions_on(connection, room_id, buyer_id)
            if not await store.remove_restriction(connection, room_id, buyer_id, [kind]):
                return
            note_change(next((self._view(bar) for bar in was if bar.kind == kind), None), None)
            version = await store.count_up(connection, room_id)
            until = await self._until(connection, room_id, buyer_id)
        person_id = self._person_ids.of(room_id, buyer_id)
        face = await self._profiles.face(buyer_id)
        viewer = UnbarredViewer(person_id, kind, face.nickname, face.avatar_url)
        await self._publish(room_id, version, buyer_id, until, ViewerUnbarred(viewer=viewer))

    async def list(self, room_id: str, kind: BarKind) -> BarList:
        """The present mutes and bans."""
        async with session(self._sql) as connection:
            found = await store.restrictions_of(connection, room_id, now_ms())
        mine = [bar for bar in found if bar.kind == kind]
        faces = await self._profiles.faces({bar.buyer_id for bar in mine})
        return BarList([self._view(bar, faces[bar.buyer_id]) for bar in mine])

    async def _until(self, connection: AsyncConnection, room_id: str, buyer_id: str) -> str:
        """All bars on a buyer, in Redis's format."""
        bars = await store.restrictions_on(connection, room_id, buyer_id)
        return untils_of(bars).get(buyer_id, until_text(0, 0))

    async def _publish(
        self, room_id: str, version: int, buyer_id: str, until: str, event: Event
    ) -> None:
        code = await self._copy.people.bar(room_id, version, buyer_id, until, event)
        if code in (ChangeCode.UNKNOWN_ROOM, ChangeCode.BEHIND):
            await self._copy.revive(room_id)

    async def _load_bans(self, room_id: str) -> dict[str, int] | None:
        async with session(self._sql) as connection:
            found = await store.restrictions_of(connection, room_id, now_ms())
        return {bar.buyer_id: bar.until_ms for bar in found if bar.kind == BarKind.BAN}

    def _view(self, bar: Restriction, face: Face = NOBODY) -> BarView:
        kind, _, name = bar.barred_by.partition(
            "|"
        )  # the same form as `livesale.web.routes.Call.name`
        by = BarredBy(operator=name)
        if kind == "buyer":
            by = BarredBy(person_id=self._person_ids.of(bar.room_id, name))
        return BarView(
            person_id=self._person_ids.of(bar.room_id, bar.buyer_id),
            kind=BarKind(bar.kind),
            until_ms=bar.until_ms,
            reason=bar.reason,
            barred_by=by,
            created_ms=bar.created_ms,
            nickname=face.nickname,
            avatar_url=face.avatar_url,
        )
