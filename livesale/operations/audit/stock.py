"""Stock of goods: each SKU has the sum of its moves."""

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.stock_moves.tables import stock_moves
from livesale.catalogue.tables import skus
from livesale.database.engine import now_ms
from livesale.ledger.check import SHOWN, Check, verdict
from livesale.printing.wording import counted

STOCK = ("stock", "each SKU has the sum of its moves")
DAY_MS = 86_400_000


async def check_stock(connection: AsyncConnection, full: bool) -> Check:
    """The SKUs that moved in the last day, or (full) all of them, against all their moves."""
    sums = select(
        stock_moves.c.sku_id,
        func.sum(stock_moves.c.on_hand).label("on_hand"),
        func.sum(stock_moves.c.in_drops).label("in_drops"),
    ).group_by(stock_moves.c.sku_id)
    looked_at = select(skus.c.sku_id)
    if not full:
        lately = select(stock_moves.c.sku_id).where(stock_moves.c.at_ms >= now_ms() - DAY_MS)
        sums = sums.where(stock_moves.c.sku_id.in_(lately))
        looked_at = looked_at.where(skus.c.sku_id.in_(lately))
    moved = sums.subquery()
    here, there = func.coalesce(moved.c.on_hand, 0), func.coalesce(moved.c.in_drops, 0)
    misfits = (
        select(skus.c.sku_id, skus.c.on_hand, skus.c.in_drops, here, there)
        .select_from(skus.outerjoin(moved, moved.c.sku_id == skus.c.sku_id))
        .where(skus.c.sku_id.in_(looked_at), or_(skus.c.on_hand != here, skus.c.in_drops != there))
        .order_by(skus.c.sku_id)
        .limit(SHOWN + 1)
    )
    broken = [
        f"{sku_id}: on hand {on_hand}, in drops {in_drops}; its moves say {moved_here} and "
        f"{moved_there}"
        for sku_id, on_hand, in_drops, moved_here, moved_there in await connection.execute(misfits)
    ]
    number = await connection.scalar(select(func.count()).select_from(looked_at.subquery())) or 0
    which = counted(number, "SKU") + ("" if full else " that moved in the last day")
    return verdict(*STOCK, broken, f"{which}, each against its moves")
