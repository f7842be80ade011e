"""The room of the live show: made, filled and started. Each step may be repeated."""

from msgspec import Struct

from livesale.catalogue.service import NewCampaign
from livesale.catalogue.skus.store import Sku
from livesale.catalogue.store import Drop, DropFilter
from livesale.ledger.states import DRAFT
from livesale.rooms.events import RoomView
from livesale.rooms.service import NewRoom
from livesale.rooms.shelf import NewItem
from livesale.rooms.states import OVER, ItemState, RoomState, Verb
from livesale.rooms.store import RoomFilter
from livesale.sales.drops import NewDrop
from livesale.seeds.goods import PRIZE_CODE
from livesale.seeds.people import HOST
from livesale.seeds.script import (
    MUG,
    POT,
    POT_UNITS,
    PRIZE_UNITS,
    SOUND,
    SOUND_UNITS,
    TEA,
    TEA_UNITS,
)
from livesale.seeds.shop import Shop
from livesale.seeds.tools import Tools
from stock.model import DropState

TITLE = "阿茶的晚间茶室 Cha's evening tea room"
NEXT_TITLE = "周末器物专场 Pots and cups, this weekend"
SPECIALS = "直播间专享 Live specials"
HOUR_MS = 3_600_000
LASTS_MS = 24 * HOUR_MS  # then the next show begins: a room and its drops stay small
CLOSES_MS = LASTS_MS + 2 * HOUR_MS
POTS_LAST_MS = 20 * 60_000


class Ware(Struct, frozen=True):
    """A drop that is on sale during the whole show."""

    code: str
    price_fen: int
    units: int
    hold_ms: int
    is_shown: bool = True


WARES = (
    Ware(TEA, 9_900, TEA_UNITS, 60_000),
    Ware(SOUND, 39_900, SOUND_UNITS, 300_000),
    Ware(PRIZE_CODE, 0, PRIZE_UNITS, 60_000, is_shown=False),
)
BUYER_LIMIT = 3


class Stage:
    """Finds the show that is on, or sets up the next one."""

    def __init__(self, tools: Tools, shop: Shop) -> None:
        self._tools = tools
        self._shop = shop
        self._skus: dict[str, Sku] = {}

    async def set_up(self) -> str:
        """The id of the room that is on. One that is a day old is ended first."""
        now_ms = await self._tools.engine.now_ms()
        wanted = RoomFilter(host=HOST, words=TITLE)
        found = await self._tools.rooms.find_all(wanted, "", 1)
        room = found[0].room if found else None
        if room is not None and room.state not in OVER and now_ms - room.starts_ms > LASTS_MS:
            await self._tools.lifecycle.act(room.room_id, Verb.END)
            room = None
        if room is None or room.state in OVER:
            room = await self._add_room(TITLE, now_ms)
        campaign_id = await self._campaign(room)
        for ware in WARES:
            drop = await self.add_drop(room.room_id, campaign_id, ware, room.starts_ms + CLOSES_MS)
            if drop.state != DropState.CLOSED and ware.is_shown:
                await self._tools.drops.open(drop.drop_id, opens_ms=0)
                await self.show(room.room_id, drop, ware.code)
        await self._show_sku(room.room_id, MUG)
        if room.state == RoomState.SCHEDULED:
            await self._tools.lifecycle.act(room.room_id, Verb.START)
        return room.room_id

    async def announce(self, begun_ms: int) -> None:
        """A room that begins in two days, so that there is something to look forward to."""
        found = await self._tools.rooms.find_all(RoomFilter(host=HOST, words=NEXT_TITLE), "", 1)
        if not found:
            await self._add_room(NEXT_TITLE, begun_ms + 2 * LASTS_MS)

    async def sku(self, code: str) -> Sku:
        """A SKU of the shop. Raises LookupError."""
        if code not in self._skus:
            self._skus[code] = await self._shop.sku(code)
        return self._skus[code]

    async def drops_of(self, room_id: str, code: str) -> list[Drop]:
        """The drops of this SKU in a room, the newest first."""
        sku = await self.sku(code)
        wanted = DropFilter(room_id=room_id, sku_id=sku.sku_id)
        return await self._tools.drops.list(limit=1, wanted=wanted)

    async def add_drop(self, room_id: str, campaign_id: str, ware: Ware, closes_ms: int) -> Drop:
        """The room's drop of this ware, made if it is not there."""
        found = await self.drops_of(room_id, ware.code)
        if found:
            return found[0]
        return await self._new_drop(room_id, campaign_id, ware, closes_ms)

    async def next_pots(self, room_id: str) -> Drop:
        """A draft of teapots: the one that was made and not opened, or a new one."""
        found = await self.drops_of(room_id, POT)
        if found and found[0].state == DRAFT:
            return found[0]
        for old in found:
            await self._hide(room_id, old)
        [tea, *_] = await self.drops_of(room_id, TEA)
        ware = Ware(POT, 21_900, POT_UNITS, 60_000)
        closes_ms = await self._tools.engine.now_ms() + POTS_LAST_MS
        return await self._new_drop(room_id, tea.campaign_id, ware, closes_ms)

    async def show(self, room_id: str, drop: Drop, code: str) -> str:
        """The item of a drop on the shelf, added if it is not there."""
        shelf = await self._tools.shelves.show_whole(room_id)
        for item in shelf.items:
            if item.drop_id == drop.drop_id:
                return item.item_id
        new = NewItem(
            drop_id=drop.drop_id, image_url=await self._image(code), state=ItemState.ON_SALE
        )
        return (await self._tools.shelves.add(room_id, new)).item_id

    async def _show_sku(self, room_id: str, code: str) -> None:
        """An item that is only looked at: it has no drop yet."""
        sku = await self.sku(code)
        shelf = await self._tools.shelves.show_whole(room_id)
        if not any(item.sku_id == sku.sku_id for item in shelf.items):
            new = NewItem(
                sku_id=sku.sku_id, image_url=await self._image(code), state=ItemState.VISIBLE
            )
            await self._tools.shelves.add(room_id, new)

    async def _hide(self, room_id: str, drop: Drop) -> None:
        shelf = await self._tools.shelves.show_whole(room_id)
        for item in shelf.items:
            if item.drop_id == drop.drop_id:
                await self._tools.shelves.remove(room_id, item.item_id)

    async def _image(self, code: str) -> str:
        picture = await self._shop.picture(code.split("-")[1].lower())
        return picture.sizes["thumb"].webp

    async def _add_room(self, title: str, starts_ms: int) -> RoomView:
        cover = await self._shop.picture("studio")
        return await self._tools.rooms.create(
            NewRoom(title, HOST, starts_ms, cover_url=cover.sizes["large"].webp)
        )

    async def _campaign(self, room: RoomView) -> str:
        """The campaign of a show: the newest of this title that is not older than its room."""
        found = await self._tools.campaigns.list(times=(), words=SPECIALS, before="", limit=1)
        if found and found[0].opens_ms >= room.starts_ms - HOUR_MS:
            return found[0].campaign_id
        new = NewCampaign(SPECIALS, room.starts_ms - HOUR_MS, room.starts_ms + CLOSES_MS)
        return (await self._tools.campaigns.create(new)).campaign_id

    async def _new_drop(self, room_id: str, campaign_id: str, ware: Ware, closes_ms: int) -> Drop:
        sku = await self.sku(ware.code)
        new = NewDrop(
            campaign_id=campaign_id,
            sku_id=sku.sku_id,
            price_fen=ware.price_fen,
            allotted=ware.units,
            buyer_limit=BUYER_LIMIT,
            hold_ms=ware.hold_ms,
            closes_ms=closes_ms,
            expired_limit=0,
            room_id=room_id,
        )
        return await self._tools.drops.create(new)
