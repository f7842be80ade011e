"""The goods and people of the shop. Each step may be repeated: what is there is left as it is."""

from collections.abc import Awaitable, Callable

from livesale.catalogue.attributes import Attribute
from livesale.catalogue.pictures.service import PictureView
from livesale.catalogue.products.categories import NewCategory
from livesale.catalogue.products.service import NewPicture, NewProduct
from livesale.catalogue.skus.service import NewSku
from livesale.catalogue.skus.store import Sku
from livesale.catalogue.stock_moves.service import NewMove
from livesale.identity.profiles.service import ProfileEdit
from livesale.seeds.goods import (
    CATEGORIES,
    GOODS,
    LIST_BASE,
    PRIZE_CODE,
    PRIZE_FEN,
    PRIZE_TITLE,
    Goods,
)
from livesale.seeds.people import HOST, HOST_NAME, PEOPLE
from livesale.seeds.script import MUG, POT, SOUND, TEA
from livesale.seeds.tools import ACTOR, Tools

Draw = Callable[[str], Awaitable[bytes]]  # a picture, by the name of its drawing

ON_AIR = (TEA, POT, SOUND, MUG)
KEPT_CODE = "LS-LAMP"  # keeps stock, and has less of it than it should
KEPT_UNITS, SAFE_UNITS = 30, 40


class Shop:
    """`draw` makes the pictures."""

    def __init__(self, tools: Tools, draw: Draw) -> None:
        self._tools = tools
        self._draw = draw
        self._drawn: dict[str, PictureView] = {}

    async def picture(self, name: str) -> PictureView:
        """The picture of this name, kept like one that an operator uploads."""
        if name not in self._drawn:
            raw = await self._draw(name)
            self._drawn[name], _ = await self._tools.pictures.upload(raw, ACTOR)
        return self._drawn[name]

    async def sku(self, code: str) -> Sku:
        """A SKU of the shop. Raises LookupError."""
        found = await self._tools.skus.list(code=code, limit=1)
        if not found:
            raise LookupError(f"there is no SKU {code}")
        return found[0]

    async def add_categories(self) -> None:
        there = {one.path for one in await self._tools.categories.all()}
        for position, (path, title) in enumerate(CATEGORIES):
            if path not in there:
                await self._tools.categories.create(NewCategory(path, title, position))

    async def add_goods(self, goods: Goods) -> None:
        page, _ = await self._tools.products.page(code=goods.code, limit=1)
        if not page:
            picture = await self.picture(goods.picture)
            await self._tools.products.create(_product(goods, picture.picture_id))
        if goods.code == KEPT_CODE:
            sku = await self.sku(goods.code)
            received = NewMove(kind="received", units=KEPT_UNITS, note="first delivery")
            await self._tools.stock.move(sku.sku_id, received, ACTOR, "first delivery")

    async def _add_prize(self) -> None:
        if not await self._tools.skus.list(code=PRIZE_CODE, limit=1):
            await self._tools.skus.create(NewSku(PRIZE_TITLE, PRIZE_FEN, code=PRIZE_CODE))

    async def add_person(self, buyer_id: str, nickname: str, drawing: str) -> None:
        """A profile with a name and an avatar, unless there is one."""
        if (await self._tools.profiles.find(buyer_id)).avatar_url is not None:
            return
        picture = await self.picture(drawing)
        await self._tools.profiles.change(buyer_id, ProfileEdit(nickname=nickname))
        await self._tools.profiles.set_picture(buyer_id, picture.sizes["thumb"].jpeg)

    async def add_host(self) -> None:
        await self.add_person(HOST, HOST_NAME, "host")

    async def name_people(self) -> None:
        """Names at once; their pictures come later."""
        for person in PEOPLE:
            if (await self._tools.profiles.find(person.buyer_id)).nickname is None:
                edit = ProfileEdit(nickname=person.nickname)
                await self._tools.profiles.change(person.buyer_id, edit)

    async def add_people(self) -> None:
        for person in PEOPLE:
            await self.add_person(person.buyer_id, person.nickname, person.name)

    async def add_goods_on_air(self) -> None:
        """What the show sells: the room comes first."""
        await self._add_prize()
        for goods in GOODS:
            if goods.kinds[-1].code in ON_AIR:
                await self.add_goods(goods)

    async def add_all_goods(self) -> None:
        for goods in GOODS:
            await self.add_goods(goods)


def _product(goods: Goods, picture_id: str) -> NewProduct:
    kept = goods.code == KEPT_CODE
    return NewProduct(
        title=goods.title,
        code=goods.code,
        description=goods.text,
        pictures=[NewPicture(picture_id=picture_id)],
        category=goods.category,
        status="on_sale",
        list_price_fen=goods.list_fen,
        list_price_base=LIST_BASE,
        skus=[
            NewSku(
                kind.title,
                kind.price_fen,
                code=kind.code,
                attributes=[Attribute(name, value) for name, value in kind.attributes],
                keeps_stock=kept,
                safety_stock=SAFE_UNITS if kept else 0,
            )
            for kind in goods.kinds
        ],
    )
