"""Rooms: operators create them, hosts change them, everybody reads them."""

from collections.abc import Collection, Sequence
from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.pictures.service import is_ours
from livesale.catalogue.service import EARLIEST_MS, Title
from livesale.catalogue.store import Drop
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.profiles.names import SentName
from livesale.identity.profiles.service import NOBODY, Profiles
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import RoomChanged, RoomView
from livesale.rooms.states import OVER, RoomState
from livesale.rooms.store import Room, RoomFilter
from livesale.rooms.viewers import viewers_of
from livesale.rooms.views import view_of_room
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import RoomRefused, Unknown, VersionConflict
from livesale.validation.texts import whole
from stock.ids import BUYER_ID_PATTERN, new_room_id
from stock.model import MAX_TIME_MS

ROOM_S = 1.0  # cache time of rooms
MAX_ITEMS = 200  # cache time of a shelf

MEDIA_PATTERN = r"/media/[0-9a-f]{32}\.(webp|jpg)"
URL_PATTERN = rf"^(https://[!-~]{{1,490}}|{MEDIA_PATTERN})?$"
Url = Annotated[
    str, whole(URL_PATTERN, description="https, or a picture that was uploaded here; or empty")
]
HostAvatar = Annotated[
    str,
    whole(
        rf"^(https://[!-~]{{1,490}}|{MEDIA_PATTERN})$",
        description="https, on a host of the settings; or a picture that was uploaded here",
    ),
]
BuyerId = Annotated[str, whole(BUYER_ID_PATTERN)]
StartsMs = Annotated[
    int, Meta(ge=EARLIEST_MS, le=MAX_TIME_MS, description="announced, ms since 1970 UTC")
]


class NewRoom(Struct, frozen=True, forbid_unknown_fields=True):
    """`host` is the buyer who runs the room. Viewers see `host_name` and `host_avatar_url`: those
    of the host's profile unless given, as they are now."""

    title: Title
    host: BuyerId
    starts_ms: StartsMs
    cover_url: Url = ""
    host_name: SentName | None = None
    host_avatar_url: HostAvatar | None = None


class RoomEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes only the given members. With `version`, only if the room still has that one."""

    version: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    title: Title | None = None
    starts_ms: StartsMs | None = None
    cover_url: Url | None = None
    host_name: SentName | None = None
    host_avatar_url: HostAvatar | None = None


class FoundRoom(Struct, frozen=True):
    """A room as operators see it in a list."""

    room: RoomView
    created_ms: int
    state_ms: int
    online: int | None


class RoomPage(Struct, frozen=True):
    """`next` is the start of the next page; None at the end."""

    rooms: list[RoomView]
    next: str | None
    online: dict[str, int | None] = {}  # viewers by room; None: unknown now


# The order of a list of several states: what a buyer can watch comes first.
STATES_IN_ORDER = (
    *(RoomState.LIVE, RoomState.PAUSED, RoomState.ABNORMAL, RoomState.SCHEDULED),
    *(RoomState.BANNED, RoomState.ENDED, RoomState.EXPIRED),
)


class Rooms:
    """One per process. All methods raise StoreUnavailable. Changes also raise the faults of
    stock.errors: then SQL has the change, and the keeper updates Redis."""

    def __init__(
        self, deployment: Deployment, copy: RoomCopy, profiles: Profiles | None = None
    ) -> None:
        """Without `profiles`, hosts have no names."""
        self._settings = deployment.settings
        self._sql = deployment.sql
        self._redis = deployment.redis
        self._copy = copy
        self._profiles = profiles
        away = (StoreUnavailable,)
        self._rooms: TtlCache[Room] = TtlCache(self._load, ttl_s=ROOM_S, stale_on=away)
        self._pages: TtlCache[RoomPage] = TtlCache(
            self._load_page, ttl_s=ROOM_S, max_found=100, stale_on=away
        )

    async def create(self, new: NewRoom, once: Once | None = None) -> RoomView:
        """Raises InvalidField or NameBlocked for the host's name and avatar; Made, KeyConflict."""
        host_name, host_avatar_url = self._named(new.host_name, new.host_avatar_url)
        face = await self._profiles.face(new.host) if self._profiles else NOBODY
        room = Room(
            room_id=new_room_id(),
            title=new.title,
            cover_url=new.cover_url,
            host=new.host,
            state=RoomState.SCHEDULED,
            state_ms=(made_ms := now_ms()),
            starts_ms=new.starts_ms,
            started_ms=None,
            ended_ms=None,
            pinned=None,
            pinned_ms=None,
            version=1,
            created_ms=made_ms,
            host_name=host_name or face.nickname,
            host_avatar_url=host_avatar_url or face.avatar_url,
        )
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, room.room_id)
            await store.add_room(connection, room)
            note_change(None, view_of_room(room))
        return view_of_room(room)

    async def find(self, room_id: str) -> Room:
        """The room from SQL. Raises Unknown."""
        return _known(await self._load(room_id))

    async def shown(self, room_id: str) -> Room:
        """The room, at most a second old. Raises Unknown."""
        return _known(await self._rooms.get(room_id))

    async def list(self, states: Collection[RoomState], after: str, limit: int) -> RoomPage:
        """Rooms in these states, with their viewers; at most a second old.

        By state, in the order of STATES_IN_ORDER, and the newest of a state first. `after` is
        `next` of a page: a room's id, behind its state and a dot if there are several states.
        """
        ranked = [state for state in STATES_IN_ORDER if state in states]
        page = await self._pages.get(f"{','.join(ranked)}|{after}|{limit}")
        return page or RoomPage([], None)

    async def find_all(self, wanted: RoomFilter, before: str, limit: int) -> Sequence[FoundRoom]:
        """Rooms for operators, the newest first, those with a smaller id than `before`."""
        async with session(self._sql) as connection:
            found = await store.find_rooms(connection, wanted, before, limit)
        online = await self.viewers(found)
        return [
            FoundRoom(view_of_room(room), room.created_ms, room.state_ms, online[room.room_id])
            for room in found
        ]

    async def viewers(self, found: Sequence[Room]) -> dict[str, int | None]:
        """Viewers of these rooms now, by room; None while that is unknown."""
        going_on = [room.room_id for room in found if room.state not in OVER]
        nobody = dict.fromkeys((room.room_id for room in found), 0)
        return nobody | await viewers_of(self._redis, going_on)

    async def edit(self, room_id: str, edit: RoomEdit) -> RoomView:
        """Raises Unknown, VersionConflict, RoomRefused (room_over), InvalidField or NameBlocked."""
        host_name, host_avatar_url = self._named(edit.host_name, edit.host_avatar_url)
        edit = structs.replace(edit, host_name=host_name, host_avatar_url=host_avatar_url)
        given = {
            name: value
            for name, value in structs.asdict(edit).items()
            if value is not None and name != "version"
        }
        async with session(self._sql, write=True) as connection:
            room = _known(await store.lock_room(connection, room_id))
            if room.state in OVER:
                raise room_over()
            if edit.version is not None and edit.version != room.version:
                raise VersionConflict("room", room.version)
            if given:
                before = view_of_room(room)
                room = await store.change_room(connection, room, **given)
                note_change(before, view_of_room(room))
        await self._copy.publish(room, RoomChanged(room=view_of_room(room)))
        return view_of_room(room)

    async def mute(self, room_id: str, *, muted: bool) -> RoomView:
        """Let only the team of the room comment, or everybody again. Viewers are told by
        `room.changed`. A repeat changes nothing. Raises Unknown or RoomRefused (room_over)."""
        async with session(self._sql, write=True) as connection:
            room = _known(await store.lock_room(connection, room_id))
            if room.state in OVER:
                raise room_over()
            if room.muted != muted:
                before = view_of_room(room)
                room = await store.change_room(connection, room, muted=muted)
                note_change(before, view_of_room(room))
        await self._copy.publish(room, RoomChanged(room=view_of_room(room)))
        return view_of_room(room)

    def _named(self, name: str | None, avatar_url: str | None) -> tuple[str | None, str | None]:
        """The host's name and avatar as others see them."""
        if self._profiles is None:
            return None, None
        names = self._profiles.names
        if avatar_url and not is_ours(avatar_url, self._settings):
            avatar_url = names.avatar(avatar_url, "host_avatar_url")
        return names.name(name, "host_name") if name else None, avatar_url or None

    async def _load(self, room_id: str) -> Room | None:
        async with session(self._sql) as connection:
            return await store.find_room(connection, room_id)

    async def _load_page(self, key: str) -> RoomPage | None:
        names, after, most = key.split("|")
        states, limit = names.split(","), int(most)
        begun, _, before = after.rpartition(".")
        skipped = STATES_IN_ORDER.index(RoomState(begun)) if begun else 0
        found: list[Room] = []
        async with session(self._sql) as connection:
            for state in states:
                if STATES_IN_ORDER.index(RoomState(state)) < skipped or len(found) == limit:
                    continue
                start = before if state == begun or not begun else ""
                found += await store.list_rooms(
                    connection, states=[state], before=start, limit=limit - len(found)
                )
        online = await self.viewers(found)
        last = found[-1] if len(found) == limit else None
        cursor = None
        if last is not None:
            cursor = last.room_id if len(states) == 1 else f"{last.state}.{last.room_id}"
        return RoomPage([view_of_room(room) for room in found], cursor, online)


def room_over() -> RoomRefused:
    return RoomRefused("room_over", "The room has ended.")


def banned(until_ms: int) -> RoomRefused:
    return RoomRefused("banned", "You cannot enter this room now.", until_ms=until_ms)


def _known(room: Room | None) -> Room:
    if room is None:
        raise Unknown("unknown_room")
    return room


class StoredRooms:
    """The rooms that drops may belong to: `livesale.sales.drops.KnownRooms`."""

    def __init__(self, copy: RoomCopy) -> None:
        self._copy = copy

    async def know(self, connection: AsyncConnection, room_id: str) -> bool:
        return await store.lock_room(connection, room_id) is not None

    async def follow(self, connection: AsyncConnection, before: Drop, after: Drop) -> None:
        """Items of the shelf that show the old title or price show the new one."""
        if after.room_id is None:
            return
        room = _known(await store.lock_room(connection, after.room_id))
        changed = False
        for item in await store.items_of(connection, room.room_id):
            if item.drop_id != after.drop_id:
                continue
            new = structs.replace(
                item,
                title=after.title if item.title == before.title else item.title,
                price_fen=after.price_fen if item.price_fen == before.price_fen else item.price_fen,
                sku_id=after.sku_id,
            )
            if new != item:
                await store.change_item(connection, new)
                changed = True
        if changed:
            await store.change_room(connection, room)

    async def tell(self, drop: Drop) -> None:
        if drop.room_id is not None:
            await self._copy.revive(drop.room_id)
            await self._copy.tell_drop(drop.room_id, drop)
