"""Titles and pictures of what drops sell, for lists: many drops by one query, kept for a while."""

import asyncio
from collections.abc import Collection

import msgspec
from msgspec import Struct

from livesale.catalogue.attributes import Attribute, read_attributes
from livesale.catalogue.goods import store
from livesale.catalogue.pictures.service import Pictures
from livesale.catalogue.products.store import PictureRef
from livesale.catalogue.products.view import ShownPicture
from livesale.catalogue.view import CatalogueView
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment

KEPT_S = 30.0
MAX_KEPT = 5_000
REMEMBER_S = 0.25


class Goods(Struct, frozen=True):
    """What a drop sells. `title` is that of the SKU, as everywhere; null where SQL is away and
    this worker has not seen the drop. `product_id` is null for a SKU without a product."""

    title: str | None = None
    product_id: str | None = None
    attributes: list[Attribute] = []
    picture: ShownPicture | None = None
    room_id: str | None = None


class ShownGoods(Struct, frozen=True):
    """What a drop sells. `title` is null where the database is away and this worker has not seen
    the drop."""

    drop_id: str
    title: str | None
    product_id: str | None
    attributes: list[Attribute]
    picture: ShownPicture | None


def show_goods(drop_id: str, goods: Goods) -> ShownGoods:
    return ShownGoods(drop_id, goods.title, goods.product_id, goods.attributes, goods.picture)


class GoodsView:
    """One per process."""

    def __init__(self, deployment: Deployment, pictures: Pictures, view: CatalogueView) -> None:
        self._sql = deployment.sql
        self._pictures = pictures
        self._view = view
        self._kept: dict[str, tuple[float, Goods]] = {}

    async def of(self, drop_ids: Collection[str], *, sql_away: bool = False) -> dict[str, Goods]:
        """The goods of each of these drops; without SQL, the last known ones."""
        now_s = asyncio.get_running_loop().time()
        wanted = {name for name in drop_ids if self._kept.get(name, (0.0,))[0] <= now_s}
        if wanted and not sql_away:
            try:
                for name, goods in (await self._load(wanted)).items():
                    self._kept.pop(name, None)
                    self._kept[name] = (now_s + KEPT_S, goods)
            except StoreUnavailable:
                pass
        found = {}
        for name in drop_ids:
            kept = self._kept.get(name)
            found[name] = kept[1] if kept else await self._remembered(name)
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    async def _load(self, drop_ids: Collection[str]) -> dict[str, Goods]:
        async with session(self._sql) as connection:
            rows = await store.goods_of(connection, drop_ids)
        refs = {
            row.drop_id: msgspec.json.decode(row.pictures, type=list[PictureRef])[:1]
            for row in rows
            if row.pictures
        }
        ids = {ref.picture_id for own in refs.values() for ref in own if ref.picture_id}
        known = await self._pictures.find(ids) if ids else {}
        found = {}
        for row in rows:
            picture = None
            for ref in refs.get(row.drop_id, []):
                if ref.url is not None:
                    picture = ShownPicture(ref.url, None)
                elif ref.picture_id in known:
                    sizes = known[ref.picture_id].sizes
                    picture = ShownPicture(sizes["large"].jpeg, sizes)
            attributes = read_attributes(row.attributes)
            found[row.drop_id] = Goods(row.title, row.product_id, attributes, picture, row.room_id)
        return found

    async def _remembered(self, drop_id: str) -> Goods:
        """What the view of the catalogue may still know."""
        try:
            async with asyncio.timeout(REMEMBER_S):
                drop = await self._view.terms(drop_id)
        except (StoreUnavailable, TimeoutError):
            drop = None
        return Goods(title=drop.title, room_id=drop.room_id) if drop else Goods()
