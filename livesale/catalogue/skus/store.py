"""SKUs in SQL. Queries only."""

from collections.abc import Collection
from typing import Any

from msgspec import Struct, field, structs
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.attributes import Attribute, read_attributes, write_attributes
from livesale.catalogue.tables import skus
from livesale.validation.lists import has_words


class Sku(Struct, frozen=True):
    """`code` is the shop's own. `free` = `on_hand` - `in_drops` units can be given to drops, if
    the SKU keeps stock."""

    sku_id: str
    title: str
    price_fen: int
    created_ms: int
    product_id: str | None = None
    code: str | None = None
    attributes: list[Attribute] = field(default_factory=list)
    keeps_stock: bool = False
    safety_stock: int = 0
    on_hand: int = 0
    in_drops: int = 0
    free: int = 0
    updated_ms: int = 0


_STORED = tuple(name for name in Sku.__struct_fields__ if name != "free")
_SKU = select(*[skus.c[name] for name in _STORED])
EDITABLE = (
    *("title", "price_fen", "product_id", "code", "attributes"),
    *("keeps_stock", "safety_stock", "updated_ms"),
)


async def add_sku(connection: AsyncConnection, sku: Sku) -> None:
    await connection.execute(insert(skus), _columns(sku))


async def find_sku(connection: AsyncConnection, sku_id: str) -> Sku | None:
    row = (await connection.execute(_SKU.where(skus.c.sku_id == sku_id))).first()
    return _sku(row) if row else None


async def lock_sku(connection: AsyncConnection, sku_id: str) -> Sku | None:
    """Locks the SKU until the end of the transaction."""
    query = _SKU.where(skus.c.sku_id == sku_id).with_for_update()
    row = (await connection.execute(query)).first()
    return _sku(row) if row else None


async def find_by_code(connection: AsyncConnection, code: str) -> Sku | None:
    row = (await connection.execute(_SKU.where(skus.c.code == code))).first()
    return _sku(row) if row else None


async def skus_of(
    connection: AsyncConnection, product_ids: Collection[str], limit: int = 10_000
) -> list[Sku]:
    """The SKUs of products, the oldest first."""
    query = _SKU.where(skus.c.product_id.in_(product_ids)).order_by(skus.c.sku_id).limit(limit)
    return [_sku(row) for row in await connection.execute(query)]


async def list_skus(
    connection: AsyncConnection,
    *,
    before: str,
    limit: int,
    product_id: str = "",
    code: str = "",
    below_safety: bool = False,
    keeps_stock: bool | None = None,
    words: str = "",
) -> list[Sku]:
    """SKUs with a smaller id than `before` (or all, when it is empty), the newest first."""
    query = _SKU.order_by(skus.c.sku_id.desc()).limit(limit)
    if before:
        query = query.where(skus.c.sku_id < before)
    if product_id:
        query = query.where(skus.c.product_id == product_id)
    if code:
        query = query.where(skus.c.code == code)
    if keeps_stock is not None:
        query = query.where(skus.c.keeps_stock.is_(keeps_stock))
    if words:
        query = query.where(has_words(skus.c.title, words))
    if below_safety:
        free = skus.c.on_hand - skus.c.in_drops
        query = query.where(skus.c.keeps_stock, free < skus.c.safety_stock)
    return [_sku(row) for row in await connection.execute(query)]


async def change_sku(connection: AsyncConnection, sku: Sku) -> None:
    """Write what operators may change. The SKU is locked; its stock stays."""
    columns = _columns(sku)
    await connection.execute(
        update(skus)
        .where(skus.c.sku_id == sku.sku_id)
        .values({name: columns[name] for name in EDITABLE})
    )


def _columns(sku: Sku) -> dict[str, Any]:
    values = structs.asdict(sku)
    del values["free"]
    values["attributes"] = write_attributes(sku.attributes) if sku.attributes else None
    return values


def _sku(row: Any) -> Sku:
    values = dict(zip(_STORED, row, strict=True))
    values["attributes"] = read_attributes(values["attributes"])
    return Sku(**values, free=values["on_hand"] - values["in_drops"])
