"""What everybody sees of a product when one of its SKUs is added or changed."""

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.products import prices, store
from livesale.catalogue.products.store import ON_SALE, Product
from livesale.catalogue.skus.store import Sku, skus_of
from livesale.database.engine import now_ms
from livesale.validation.refusals import InvalidField

MAX_SKUS = 200


async def lock_for_sku(connection: AsyncConnection, product_id: str) -> Product:
    """A product that gets one more SKU. Raises InvalidField."""
    product = await store.lock_product(connection, product_id)
    if product is None:
        raise InvalidField("product_id", "There is no such product.")
    if len(await skus_of(connection, [product_id], MAX_SKUS)) >= MAX_SKUS:
        raise InvalidField("product_id", f"A product has at most {MAX_SKUS} SKUs.")
    return product


async def sku_changed(connection: AsyncConnection, sku: Sku) -> None:
    """A SKU was added or changed: its product has another version, and maybe another price."""
    product = await store.lock_product(connection, sku.product_id) if sku.product_id else None
    if product is not None:
        product = structs.replace(product, version=product.version + 1, updated_ms=now_ms())
        await store.change_product(connection, product)
        await ask(connection, product, [sku], product.status)


async def ask(
    connection: AsyncConnection, product: Product, found: Sequence[Sku], before: str
) -> None:
    """Note the prices that everybody sees from now on, or sees no more."""
    for sku in found:
        if product.status == ON_SALE:
            await prices.begin_asking(connection, sku.sku_id, sku.price_fen, product.updated_ms)
        elif before == ON_SALE:
            await prices.end_asking(connection, sku.sku_id, product.updated_ms)
