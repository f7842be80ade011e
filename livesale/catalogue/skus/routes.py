"""/v1/admin/skus"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.skus.service import NewSku, SkuEdit, Skus
from livesale.catalogue.skus.store import Sku
from livesale.parts import Parts
from livesale.validation.lists import Words
from livesale.validation.texts import whole
from livesale.web.making import make
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN

_ID = r"^[0-9a-z]{0,15}$"


class SkusQuery(Struct, frozen=True):
    after: Annotated[str, whole(_ID, description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    q: Words = ""
    keeps_stock: bool | None = None
    product_id: Annotated[str, whole(_ID, description="only those of this product")] = ""
    code: Annotated[str, whole(r"^([A-Za-z0-9][A-Za-z0-9._/-]{0,63})?$")] = ""
    below_safety: Annotated[
        bool, Meta(description="only those with fewer free units than their safety stock")
    ] = False


class SkuPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    skus: list[Sku]
    next: str | None


async def create_sku(parts: Parts, call: Call) -> Answer:
    skus = parts[Skus]
    return await make(call, "sku", lambda once: skus.create(call.body, once), skus.find)


async def list_skus(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[Skus].list(
        before=query.after,
        limit=query.limit,
        product_id=query.product_id,
        code=query.code,
        below_safety=query.below_safety,
        keeps_stock=query.keeps_stock,
        words=query.q,
    )
    is_full = len(found) == query.limit
    return Answer(200, SkuPage(found, found[-1].sku_id if is_full else None))


async def show_sku(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Skus].find(call.path["sku_id"]))


async def edit_sku(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Skus].edit(call.path["sku_id"], call.body))


declare_path_parameters(sku_id=PathParameter(DROP_ID_PATTERN, "unknown_sku", "A SKU's id"))

ROUTES = [
    Route(
        "POST",
        "/v1/admin/skus",
        create_sku,
        "Create a SKU",
        "admin",
        {201: Sku, 200: Sku},
        ("code_taken", "unknown_sku", "idempotency_conflict", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=NewSku,
        keyed=True,
        changes=True,
        description=(
            "Without `keeps_stock` it needs no received units: a drop says how many. "
            "With an `Idempotency-Key`, a retry makes nothing twice, and gets 200."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/skus",
        list_skus,
        "SKUs, the newest first",
        "admin",
        {200: SkuPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=SkusQuery,
    ),
    Route(
        "GET",
        "/v1/admin/skus/{sku_id}",
        show_sku,
        "A SKU with its stock",
        "admin",
        {200: Sku},
        ("unknown_sku", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_READ,
    ),
    Route(
        "PATCH",
        "/v1/admin/skus/{sku_id}",
        edit_sku,
        "Change a SKU",
        "admin",
        {200: Sku},
        ("unknown_sku", "code_taken", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=SkuEdit,
        changes=True,
        description=(
            "Drops keep the price that they were made with. `keeps_stock` counts for drops that "
            "are opened later."
        ),
    ),
]
