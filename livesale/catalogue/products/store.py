"""Products in SQL. Queries only."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.attributes import Attribute, read_attributes, write_attributes
from livesale.catalogue.products.search_index import Entry
from livesale.catalogue.products.tables import products
from livesale.database.keyset import newer

DRAFT, ON_SALE, ARCHIVED = "draft", "on_sale", "archived"


class PictureRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of a product: one that was uploaded, or an https address. One of the two."""

    picture_id: str | None = None
    url: str | None = None


class Product(Struct, frozen=True):
    """`code` is the shop's own. `category` is a path, or empty. `status`: draft, on_sale (everybody
    sees it) or archived. `version` rises with each change."""

    product_id: str
    code: str | None
    title: str
    description: str
    attributes: list[Attribute]
    pictures: list[PictureRef]
    category: str
    status: str
    list_price_fen: int | None
    list_price_base: str
    version: int
    created_ms: int
    updated_ms: int


_PRODUCT = select(*[products.c[name] for name in Product.__struct_fields__])


async def add_product(connection: AsyncConnection, product: Product) -> None:
    await connection.execute(insert(products), _columns(product))


async def find_product(connection: AsyncConnection, product_id: str) -> Product | None:
    row = (await connection.execute(_PRODUCT.where(products.c.product_id == product_id))).first()
    return _product(row) if row else None


async def lock_product(connection: AsyncConnection, product_id: str) -> Product | None:
    """Locks the product until the end of the transaction."""
    query = _PRODUCT.where(products.c.product_id == product_id).with_for_update()
    row = (await connection.execute(query)).first()
    return _product(row) if row else None


async def find_by_code(connection: AsyncConnection, code: str) -> Product | None:
    row = (await connection.execute(_PRODUCT.where(products.c.code == code))).first()
    return _product(row) if row else None


async def find_products(connection: AsyncConnection, product_ids: Collection[str]) -> list[Product]:
    """Those of these that exist, in no order."""
    query = _PRODUCT.where(products.c.product_id.in_(product_ids))
    return [_product(row) for row in await connection.execute(query)]


async def list_products(
    connection: AsyncConnection,
    *,
    before: str,
    limit: int,
    status: str = "",
    category: str = "",
    code: str = "",
) -> list[Product]:
    """Products with a smaller id than `before` (or all, when it is empty), the newest first.
    `category` also finds those of the categories in it."""
    query = _PRODUCT.order_by(products.c.product_id.desc()).limit(limit)
    if before:
        query = query.where(products.c.product_id < before)
    if status:
        query = query.where(products.c.status == status)
    if code:
        query = query.where(products.c.code == code)
    if category:
        query = query.where(within(category))
    return [_product(row) for row in await connection.execute(query)]


async def change_product(connection: AsyncConnection, product: Product) -> None:
    """Write a product that is locked."""
    values = _columns(product)
    del values["product_id"], values["created_ms"]
    await connection.execute(
        update(products).where(products.c.product_id == product.product_id).values(values)
    )


async def remove_product(connection: AsyncConnection, product_id: str) -> None:
    await connection.execute(delete(products).where(products.c.product_id == product_id))


async def entries_after(
    connection: AsyncConnection, key: tuple[int, str], limit: int
) -> list[tuple[int, Entry]]:
    """What the search knows of products, by the time of their change, after the key."""
    updated_ms, product_id = products.c.updated_ms, products.c.product_id
    query = (
        select(updated_ms, product_id, products.c.title, products.c.category, products.c.status)
        .where(newer(updated_ms, product_id, key))
        .order_by(updated_ms, product_id)
        .limit(limit)
    )
    return [(row[0], Entry(*row[1:])) for row in await connection.execute(query)]


def within(path: str) -> ColumnElement[bool]:
    """Products of a category, or of one in it: a range of the index. `0` follows `/`."""
    category = products.c.category
    return or_(category == path, and_(category > f"{path}/", category < f"{path}0"))


def _columns(product: Product) -> dict[str, Any]:
    values = {name: getattr(product, name) for name in Product.__struct_fields__}
    values["attributes"] = write_attributes(product.attributes)
    values["pictures"] = msgspec.json.encode(product.pictures).decode()
    return values


def _product(row: Any) -> Product:
    values = dict(zip(Product.__struct_fields__, row, strict=True))
    values["attributes"] = read_attributes(values["attributes"])
    values["pictures"] = msgspec.json.decode(values["pictures"], type=list[PictureRef])
    return Product(**values)
