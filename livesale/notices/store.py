"""Which refunds changed. Queries only."""

from msgspec import Struct
from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.tables import orders, refunds


class ChangedRefund(Struct, frozen=True, gc=False):
    refund_no: str
    order_id: str
    drop_id: str
    buyer_id: str
    amount_fen: int
    state: str
    updated_ms: int


async def changed_refunds(
    connection: AsyncConnection, after: tuple[int, str], limit: int
) -> list[ChangedRefund]:
    """Refunds by (updated_ms, refund_no) after the key. Without those of unknown orders, which are
    nobody's."""
    updated_ms, number = after
    changed, refund_no = refunds.c.updated_ms, refunds.c.refund_no
    query = (
        select(
            *(refund_no, refunds.c.order_id, orders.c.drop_id, orders.c.buyer_id),
            *(refunds.c.amount_fen, refunds.c.state, changed),
        )
        .select_from(refunds.join(orders, orders.c.order_id == refunds.c.order_id))
        .where(
            changed >= updated_ms,  # by itself, because databases find its range in the index
            or_(changed > updated_ms, and_(changed == updated_ms, refund_no > number)),
        )
        .order_by(changed, refund_no)
        .limit(limit)
    )
    return [ChangedRefund(*row) for row in await connection.execute(query)]
