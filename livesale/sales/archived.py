"""Late money for a drop that has left Redis: SQL answers alone, and nothing is sold any more."""

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from livesale.deployment import Deployment
from livesale.store.database import now_ms
from livesale.store.plan import refund_no_of
from livesale.store.session import session
from livesale.store.tables import drops, orders, payments, refunds
from stock.ids import drop_of
from stock.model import ConfirmCode


async def settle_archived(
    deployment: Deployment, rid: str, payment_id: str, amount_fen: int
) -> ConfirmCode:
    """What `confirm` would answer, after it has answered UNKNOWN: the money is due back.

    UNKNOWN also for a drop that is not archived. Raises StoreUnavailable.
    """
    for _ in range(2):
        try:
            return await _settle(deployment, rid, payment_id, amount_fen)
        except IntegrityError:
            continue  # the same payment at the same time: now it is there
    return ConfirmCode.UNKNOWN


async def _settle(
    deployment: Deployment, rid: str, payment_id: str, amount_fen: int
) -> ConfirmCode:
    async with session(deployment.sql, write=True) as connection:
        archived = await connection.scalar(
            select(drops.c.archived_ms).where(drops.c.drop_id == drop_of(rid))
        )
        owed = await connection.scalar(select(orders.c.amount_fen).where(orders.c.order_id == rid))
        if archived is None or owed is None:
            return ConfirmCode.UNKNOWN
        if owed != amount_fen:
            return ConfirmCode.MISMATCH
        query = select(payments.c.order_id, payments.c.result)
        known = (await connection.execute(query.where(payments.c.payment_id == payment_id))).first()
        if known is not None:
            if known.order_id != rid:
                return ConfirmCode.MISMATCH
            refused = known.result == ConfirmCode.REFUND_DUE.lower()
            return ConfirmCode.REFUND_DUE if refused else ConfirmCode.REPLAYED
        row = {"payment_id": payment_id, "order_id": rid, "amount_fen": amount_fen}
        row |= {"created_ms": now_ms()}
        result = ConfirmCode.REFUND_DUE.lower()
        await connection.execute(insert(payments), [{**row, "result": result}])
        number = refund_no_of(payment_id)
        await connection.execute(insert(refunds), [{**row, "refund_no": number, "state": "due"}])
        return ConfirmCode.REFUND_DUE
