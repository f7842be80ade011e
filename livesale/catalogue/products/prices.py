"""Prices that everybody was asked for: a list price must have been one, not long ago.

A list price stands crossed out beside a lower one. If it was never asked, it is an invention. So it
must be the price of a SKU of the product, or of a drop, that was shown in the last seven days; or
an operator states its base, which buyers see.
"""

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.products.tables import asked_prices
from livesale.catalogue.tables import skus
from livesale.ledger.states import DRAFT, OPENING
from livesale.ledger.tables import drops

DAYS = 7
RECENT_MS = DAYS * 24 * 3_600_000


async def begin_asking(
    connection: AsyncConnection, sku_id: str, price_fen: int, at_ms: int
) -> None:
    """A price of a SKU is shown from now on; another one is not any more."""
    asked = asked_prices.c
    row = (
        await connection.execute(
            select(asked.price_fen, asked.since_ms, asked.until_ms)
            .where(asked.sku_id == sku_id)
            .order_by(asked.since_ms.desc())
            .limit(1)
        )
    ).first()
    if row is not None and row.until_ms is None:
        if row.price_fen == price_fen:
            return
        await end_asking(connection, sku_id, at_ms)
    since_ms = at_ms if row is None else max(at_ms, row.since_ms + 1)  # two in one millisecond
    await connection.execute(
        insert(asked_prices),
        {"sku_id": sku_id, "since_ms": since_ms, "price_fen": price_fen, "until_ms": None},
    )


async def end_asking(connection: AsyncConnection, sku_id: str, at_ms: int) -> None:
    """The SKU is not shown any more."""
    await connection.execute(
        update(asked_prices)
        .where(asked_prices.c.sku_id == sku_id, asked_prices.c.until_ms.is_(None))
        .values(until_ms=at_ms)
    )


async def was_asked(
    connection: AsyncConnection, product_id: str, price_fen: int, now_ms: int
) -> bool:
    """Whether this price of the product was asked in the last seven days."""
    since_ms = now_ms - RECENT_MS
    asked = asked_prices.c
    shown = (
        select(func.count())
        .select_from(asked_prices.join(skus, skus.c.sku_id == asked.sku_id))
        .where(
            skus.c.product_id == product_id,
            asked.price_fen == price_fen,
            or_(asked.until_ms.is_(None), asked.until_ms >= since_ms),
        )
    )
    if await connection.scalar(shown):
        return True
    sold = (
        select(func.count())
        .select_from(drops.join(skus, skus.c.sku_id == drops.c.sku_id))
        .where(
            skus.c.product_id == product_id,
            drops.c.price_fen == price_fen,
            and_(drops.c.opens_ms <= now_ms, drops.c.closes_ms >= since_ms),
            drops.c.state.not_in((DRAFT, OPENING)),
        )
    )
    return bool(await connection.scalar(sold))
