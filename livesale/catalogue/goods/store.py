"""What drops sell. Queries only; every one takes a connection."""

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.products.tables import products
from livesale.catalogue.tables import skus
from livesale.ledger.tables import drops


class GoodsRow(Struct, frozen=True):
    drop_id: str
    room_id: str | None
    title: str
    attributes: str | None  # JSON
    product_id: str | None
    pictures: str | None  # JSON


async def goods_of(connection: AsyncConnection, drop_ids: Collection[str]) -> list[GoodsRow]:
    """Those of these drops that exist, in no order."""
    query = (
        select(
            *(drops.c.drop_id, drops.c.room_id, func.coalesce(skus.c.title, "")),
            *(skus.c.attributes, products.c.product_id, products.c.pictures),
        )
        .select_from(
            drops.outerjoin(skus, skus.c.sku_id == drops.c.sku_id).outerjoin(
                products, products.c.product_id == skus.c.product_id
            )
        )
        .where(drops.c.drop_id.in_(drop_ids))
    )
    return [GoodsRow(*row) for row in await connection.execute(query)]
