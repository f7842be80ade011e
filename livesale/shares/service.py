"""Share cards of rooms: a short code, made once, and the picture of the mini-program's code.

A code never changes. Its picture is asked for at WeChat when somebody first wants it, and kept
like any other picture: a crowd that shares a room costs WeChat one call.
"""

import asyncio

from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from livesale.catalogue.pictures.service import PictureRefused, Pictures, PictureView
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.events import RoomView
from livesale.rooms.service import Rooms
from livesale.rooms.views import view_of_room
from livesale.shares import store
from livesale.shares.codes import new_code
from livesale.shares.store import Share
from livesale.tasks.ttl_cache import TtlCache
from livesale.tasks.turns import Crowded
from livesale.validation.refusals import SalesFault, Unknown
from livesale.wechat.code_port import CodeRefused, CodeUnavailable, MiniCodes

KNOWN_S = 60.0  # cache time of what never changes
ONLINE_S = 1.0  # cache time of the viewers of a room
PAUSE_S = 5.0  # after WeChat gave no code, nobody asks for so long
TRIES = 5  # at a free code
ID = "{id}"  # of a room, in the settings
ACTOR = "wechat"  # of the pictures


class ShareRefused(SalesFault):
    """Codes: wxacode_off, wxacode_unavailable."""


class Shared(Struct, frozen=True):
    """A room that is shared. `path` is its link on this service, `page` that of the mini-program.
    `online` are viewers now, None if that is unknown."""

    code: str
    path: str
    page: str
    room: RoomView
    online: int | None
    has_wxacode: bool


class _Online(Struct, frozen=True):
    viewers: int | None


class Shares:
    """One per process. All raise StoreUnavailable."""

    def __init__(
        self, deployment: Deployment, rooms: Rooms, pictures: Pictures, mini_codes: MiniCodes
    ) -> None:
        self._sql = deployment.sql
        self._shop = deployment.settings.shop
        self._rooms = rooms
        self._pictures = pictures
        self._mini_codes = mini_codes
        self._away: dict[str, tuple[float, str]] = {}  # code → until when, reason
        away = (StoreUnavailable,)
        self._of_rooms: TtlCache[Share] = TtlCache(self._make, ttl_s=KNOWN_S, stale_on=away)
        self._by_code: TtlCache[Share] = TtlCache(self._load, ttl_s=KNOWN_S, stale_on=away)
        self._made: TtlCache[PictureView] = TtlCache(self._draw, ttl_s=KNOWN_S, stale_on=away)
        self._online: TtlCache[_Online] = TtlCache(self._count, ttl_s=ONLINE_S)

    async def card(self, room_id: str) -> Shared:
        """The card of a room; its code is made at the first call. Raises Unknown."""
        await self._rooms.shown(room_id)
        share = await self._of_rooms.get(room_id)
        assert share is not None  # noqa: S101  it was found or made
        return await self._shared(share)

    async def resolve(self, code: str) -> Shared:
        """What a code stands for. Raises Unknown (unknown_share, or unknown_room: the room was
        deleted)."""
        return await self._shared(await self._known(code))

    async def link(self, code: str) -> str:
        """Where the page of the room is, for browsers. Raises Unknown("unknown_share")."""
        share = await self._known(code)
        return self._shop.room_url.replace(ID, share.room_id)

    async def wxacode(self, code: str) -> PictureView:
        """The mini-program's code, as a picture.

        Raises Unknown, ShareRefused, MediaUnavailable.
        """
        await self._known(code)
        if not self._mini_codes.on:
            raise ShareRefused("wxacode_off", "No mini-program is set up.")
        picture = await self._made.get(code)
        if picture is None:
            raise Unknown("unknown_share")
        return picture

    async def _shared(self, share: Share) -> Shared:
        room = await self._rooms.shown(share.room_id)
        online = await self._online.get(share.room_id)
        return Shared(
            code=share.code,
            path=f"/s/{share.code}",
            page=f"{self._shop.room_page}?id={share.room_id}",
            room=view_of_room(room),
            online=online.viewers if online else None,
            has_wxacode=self._mini_codes.on,
        )

    async def _known(self, code: str) -> Share:
        share = await self._by_code.get(code)
        if share is None:
            raise Unknown("unknown_share")
        return share

    async def _load(self, code: str) -> Share | None:
        async with session(self._sql) as connection:
            return await store.find_share(connection, code)

    async def _count(self, room_id: str) -> _Online:
        room = await self._rooms.shown(room_id)
        return _Online((await self._rooms.viewers([room]))[room_id])

    async def _make(self, room_id: str) -> Share:
        """The code of a room. Of workers that make one at once, the first counts."""
        for _ in range(TRIES):
            async with session(self._sql) as connection:
                share = await store.share_of(connection, room_id)
            if share is not None:
                return share
            share = Share(new_code(), room_id, None, now_ms())
            try:
                async with session(self._sql, write=True) as connection:
                    await store.add_share(connection, share)
            except IntegrityError:  # another worker was faster, or the code is taken
                continue
            self._by_code.forget(share.code)
            return share
        raise StoreUnavailable("no free code was found")

    async def _draw(self, code: str) -> PictureView | None:
        """The picture of a code, from SQL, or from WeChat for the first time."""
        share = await self._load(code)
        if share is None:
            return None
        if share.picture_id is None:
            picture_id = await self._ask_wechat(code)
            async with session(self._sql, write=True) as connection:
                await store.set_picture(connection, code, picture_id)
                share = await store.find_share(connection, code)
            picture_id = (share and share.picture_id) or picture_id
        else:
            picture_id = share.picture_id
        return (await self._pictures.find([picture_id])).get(picture_id)

    async def _ask_wechat(self, code: str) -> str:
        """The id of a new picture. Raises ShareRefused or MediaUnavailable."""
        now_s = asyncio.get_running_loop().time()
        until_s, why = self._away.get(code, (0.0, ""))
        if now_s < until_s:
            raise ShareRefused("wxacode_unavailable", why)
        self._away.pop(code, None)
        try:
            raw = await self._mini_codes.draw(code, self._shop.room_page)
            picture, _ = await self._pictures.upload(raw, ACTOR)
        except (CodeUnavailable, CodeRefused, Crowded, PictureRefused) as fault:
            self._away[code] = (now_s + PAUSE_S, str(fault))
            while len(self._away) > 1_000:
                del self._away[next(iter(self._away))]
            raise ShareRefused("wxacode_unavailable", str(fault)) from None
        return picture.picture_id
