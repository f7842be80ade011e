"""GET /v1/goods"""

from typing import Annotated

from msgspec import Struct

from livesale.catalogue.goods.service import GoodsView, ShownGoods, show_goods
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route
from stock.ids import DROP_ID_PATTERN

MAX_DROPS = 50

_ID = DROP_ID_PATTERN.strip("^$")


class GoodsQuery(Struct, frozen=True):
    drops: Annotated[
        str,
        whole(
            rf"^({_ID}(,{_ID}){{0,{MAX_DROPS - 1}}})?$",
            description=f"1 to {MAX_DROPS} ids of drops, with commas between them",
            examples=["d1,d2"],
        ),
    ] = ""


class FoundGoods(Struct, frozen=True):
    """One entry for each id, in the order of the request."""

    goods: list[ShownGoods]


async def list_goods(parts: Parts, call: Call) -> Answer:
    names = list(dict.fromkeys(name for name in call.query.drops.split(",") if name))
    found = await parts[GoodsView].of(names)
    return Answer(200, FoundGoods([show_goods(name, found[name]) for name in names]))


ROUTES = [
    Route(
        "GET",
        "/v1/goods",
        list_goods,
        "What drops sell: title, picture and attributes",
        "products",
        {200: FoundGoods},
        query=GoodsQuery,
        description="It may be 30 seconds old. An unknown drop has no title.",
    ),
]
