"""Refunds by operators: list them, and order one.

A refund is the whole payment. It moves no stock: the order stays sold in the books, because shipped
goods are not on the shelf. An operator restocks the drop when the goods are back.
"""

from sqlalchemy.exc import IntegrityError

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger import refunds
from livesale.ledger.orders import find_any_order
from livesale.ledger.plan import refund_no_of
from livesale.ledger.refund_states import ACCEPTED, DUE, FAILED, REFUNDED, SENT
from livesale.ledger.refunds import Refund
from livesale.payments.errors import CallbackRefused
from livesale.payments.gateway import RefundNews, RefundState
from livesale.resources import Deployment
from livesale.validation.refusals import RefundRefused, Unknown

ASK_AGAIN_MS = 6 * 3_600_000  # after a callback without a failure

# Why a second refund of a payment is refused, by the state of the first one.
_ALREADY = {
    DUE: "The refund is already in progress.",
    SENT: "The refund is already in progress.",
    ACCEPTED: "The refund is already in progress.",
    REFUNDED: "The order is already refunded.",
    FAILED: "The refund failed: handle it at the gateway, under the same number.",
}


class Refunds:
    """Use cases of operators. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def order(self, order_id: str, note: str, amount_fen: int | None = None) -> Refund:
        """Order a refund of a sold order; the keeper sends it.

        Raises Unknown, or RefundRefused (not_paid, already_refunded, partial_refund).
        """
        async with session(self._sql) as connection:
            order = await find_any_order(connection, order_id)
            paid = await refunds.sale_of(connection, order_id)
        if order is None:
            raise Unknown("unknown_order")
        if paid is None:
            raise RefundRefused(
                "not_paid", f"The order is {order.state}: there is no payment to refund."
            )
        if not paid.amount_fen:
            raise RefundRefused("not_paid", "The order is a prize: nothing was paid for it.")
        if amount_fen is not None and amount_fen != paid.amount_fen:
            detail = f"Only the whole amount of {paid.amount_fen} fen can be refunded."
            raise RefundRefused("partial_refund", detail)
        number = refund_no_of(paid.payment_id)
        try:
            async with session(self._sql, write=True) as connection:
                await refunds.add_refund(connection, paid, number, refunds.OPERATOR, note, now_ms())
                note_change(None, await refunds.find_refund(connection, number))
        except IntegrityError:
            async with session(self._sql) as connection:
                there = await refunds.refunds_of(connection, [order_id])
            state = there[-1].state if there else DUE
            raise RefundRefused("already_refunded", _ALREADY[state]) from None
        async with session(self._sql) as connection:
            made = await refunds.find_refund(connection, number)
        assert made is not None  # noqa: S101  committed above, and nobody deletes refunds
        return made

    async def hear(self, news: RefundNews) -> None:
        """Handle a verified refund callback. Raises CallbackRefused if the refund is not ours."""
        async with session(self._sql) as connection:
            found = await refunds.find_refund(connection, news.refund_no)
        if found is None:
            raise CallbackRefused("refund_no")
        for field, fits in (
            ("transaction_id", found.payment_id == news.payment_id),
            ("out_trade_no", found.order_id == news.order_id),
            ("amount", found.amount_fen == news.amount_fen),
        ):
            if not fits:
                raise CallbackRefused(field)
        answer = news.answer
        failed = answer.state is RefundState.FAILED
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            await refunds.move_refund(
                connection,
                news.refund_no,
                answer.state.value,
                at_ms,
                gateway_no=answer.gateway_no,
                error=answer.detail if failed else "",
                # It may be a replay of an old callback: ask the gateway at once.
                next_ms=at_ms if failed else at_ms + ASK_AGAIN_MS,
            )

    async def page(
        self, state: str | None, *, after: str | None, limit: int
    ) -> tuple[list[Refund], str | None]:
        """Refunds after the cursor `after`, the newest first; and the cursor of the next page."""
        before = None
        if after:
            created_ms, _, number = after.partition(".")
            before = int(created_ms), number
        async with session(self._sql) as connection:
            found = await refunds.list_refunds(connection, state, before=before, limit=limit)
        last = found[-1] if len(found) == limit else None
        return found, f"{last.created_ms}.{last.refund_no}" if last else None
