"""Which refunds changed. Queries only."""

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import newer
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
            newer(changed, refund_no, (updated_ms, number)),
        )
        .order_by(changed, refund_no)
        .limit(limit)
    )
    return [ChangedRefund(*row) for row in await connection.execute(query)]
