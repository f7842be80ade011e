"""Rooms: operators create them, hosts change them, everybody reads them."""

from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.service import EARLIEST_MS, Title
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.profiles.names import AvatarUrl, SentName
from livesale.identity.profiles.service import NOBODY, Profiles
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import RoomChanged, RoomView
from livesale.rooms.states import OVER, RoomState
from livesale.rooms.store import Room
from livesale.rooms.views import view_of_room
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import RoomRefused, Unknown
from livesale.validation.texts import whole
from stock.ids import BUYER_ID_PATTERN, new_room_id
from stock.model import MAX_TIME_MS

ROOM_S = 1.0  # cache time of rooms
MAX_ITEMS = 200  # cache time of a shelf

URL_PATTERN = r"^(https://[!-~]{1,490})?$"
Url = Annotated[str, whole(URL_PATTERN, description="https, or empty")]
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
    host_avatar_url: AvatarUrl | None = None


class RoomEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes only the given members."""

    title: Title | None = None
    starts_ms: StartsMs | None = None
    cover_url: Url | None = None
    host_name: SentName | None = None
    host_avatar_url: AvatarUrl | None = None


class RoomPage(Struct, frozen=True):
    """`next` is the start of the next page; None at the end."""

    rooms: list[RoomView]
    next: str | None


class Rooms:
    """One per process. All methods raise StoreUnavailable. Changes also raise the faults of
    stock.errors: then SQL has the change, and the keeper updates Redis."""

    def __init__(
        self, deployment: Deployment, copy: RoomCopy, profiles: Profiles | None = None
    ) -> None:
        """Without `profiles`, hosts have no names."""
        self._sql = deployment.sql
        self._copy = copy
        self._profiles = profiles
        away = (StoreUnavailable,)
        self._rooms: TtlCache[Room] = TtlCache(self._load, ttl_s=ROOM_S, stale_on=away)
        self._pages: TtlCache[RoomPage] = TtlCache(
            self._load_page, ttl_s=ROOM_S, max_found=100, stale_on=away
        )

    async def create(self, new: NewRoom) -> RoomView:
        """Raises InvalidField or NameBlocked for the host's name and avatar."""
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
            await store.add_room(connection, room)
            note_change(None, view_of_room(room))
        return view_of_room(room)

    async def find(self, room_id: str) -> Room:
        """The room from SQL. Raises Unknown."""
        return _known(await self._load(room_id))

    async def shown(self, room_id: str) -> Room:
        """The room, at most a second old. Raises Unknown."""
        return _known(await self._rooms.get(room_id))

    async def list(self, state: RoomState, before: str, limit: int) -> RoomPage:
        """Rooms in a state, the newest first; at most a second old."""
        page = await self._pages.get(f"{state}|{before}|{limit}")
        return page or RoomPage([], None)

    async def edit(self, room_id: str, edit: RoomEdit) -> RoomView:
        """Raises Unknown, RoomRefused (room_over), InvalidField or NameBlocked."""
        host_name, host_avatar_url = self._named(edit.host_name, edit.host_avatar_url)
        edit = structs.replace(edit, host_name=host_name, host_avatar_url=host_avatar_url)
        given = {name: value for name, value in structs.asdict(edit).items() if value is not None}
        async with session(self._sql, write=True) as connection:
            room = _known(await store.lock_room(connection, room_id))
            if room.state in OVER:
                raise room_over()
            if given:
                before = view_of_room(room)
                room = await store.change_room(connection, room, **given)
                note_change(before, view_of_room(room))
        await self._copy.publish(room, RoomChanged(room=view_of_room(room)))
        return view_of_room(room)

    def _named(self, name: str | None, avatar_url: str | None) -> tuple[str | None, str | None]:
        """The host's name and avatar as others see them."""
        if self._profiles is None:
            return None, None
        names = self._profiles.names
        return (
            names.name(name, "host_name") if name else None,
            names.avatar(avatar_url, "host_avatar_url") if avatar_url else None,
        )

    async def _load(self, room_id: str) -> Room | None:
        async with session(self._sql) as connection:
            return await store.find_room(connection, room_id)

    async def _load_page(self, key: str) -> RoomPage | None:
        state, before, limit = key.split("|")
        async with session(self._sql) as connection:
            found = await store.list_rooms(
                connection, states=[state], before=before, limit=int(limit)
            )
        after = found[-1].room_id if len(found) == int(limit) else None
        return RoomPage([view_of_room(room) for room in found], after)


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

    async def know(self, connection: AsyncConnection, room_id: str) -> bool:
        return await store.find_room(connection, room_id) is not None
