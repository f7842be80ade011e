"""Refunds by operators: list them, and order one.

A refund is a payment or a part of it; several refunds of a payment are never more than it. It
moves no stock: the order stays sold in the books, because shipped goods are not on the shelf. What
becomes of goods that came back is another decision: livesale.orders.cases.
"""

import hashlib

from sqlalchemy.exc import IntegrityError

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger import refunds
from livesale.ledger.orders import Order, find_any_order
from livesale.ledger.plan import refund_no_of
from livesale.ledger.refund_states import ACCEPTED, DUE, FAILED, REFUNDED, SENT
from livesale.ledger.refunds import Paid, Refund, TooMuchBack
from livesale.payments.errors import CallbackRefused
from livesale.payments.gateway import RefundNews, RefundState
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField, KeyConflict, RefundRefused, Unknown

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

    async def order(
        self,
        order_id: str,
        note: str,
        amount_fen: int | None = None,
        *,
        units: int | None = None,
        refund_id: str | None = None,
    ) -> tuple[Refund, bool]:
        """Order a refund of a sold order; the keeper sends it. Also says whether it is new.

        By amount, by units, or all that is left. A part needs a `refund_id`: the same id again is
        the same refund. Raises Unknown, InvalidField, RefundRefused (not_paid, already_refunded,
        partial_refund, too_much_back).
        """
        async with session(self._sql) as connection:
            order = await find_any_order(connection, order_id)
            paid = await refunds.sale_of(connection, order_id)
            back_fen = await refunds.refunded_of(connection, paid.payment_id) if paid else 0
        if order is None:
            raise Unknown("unknown_order")
        if paid is None:
            raise RefundRefused(
                "not_paid", f"The order is {order.state}: there is no payment to refund."
            )
        if not paid.amount_fen:
            raise RefundRefused("not_paid", "The order is a prize: nothing was paid for it.")
        asked_fen = _asked(order, amount_fen, units)
        number = (
            part_no_of(paid.payment_id, refund_id) if refund_id else refund_no_of(paid.payment_id)
        )
        if refund_id is None and asked_fen not in (None, paid.amount_fen):
            detail = f"A part of the {paid.amount_fen} fen needs a `refund_id`."
            raise RefundRefused("partial_refund", detail)
        async with session(self._sql) as connection:
            known = await refunds.find_refund(connection, number)
        if known is None:
            wanted_fen = paid.amount_fen - back_fen if asked_fen is None else asked_fen
            if wanted_fen < 1:
                raise RefundRefused("already_refunded", "All of it goes back already.")
            known, is_new = await self._add(paid, number, note, wanted_fen)
        else:
            is_new = False
        if is_new:
            return known, True
        if refund_id is None:
            raise RefundRefused("already_refunded", _ALREADY[known.state])
        if asked_fen not in (None, known.amount_fen):
            raise KeyConflict("The refund_id was used for another amount.")
        return known, False

    async def retry(self, refund_no: str) -> Refund:
        """Send a refund again at once, under its old number: a failed one, or one that waits.

        Raises Unknown (unknown_refund), or RefundRefused (refund_settled).
        """
        async with session(self._sql, write=True) as connection:
            before = await refunds.find_refund(connection, refund_no)
            if before is None:
                raise Unknown("unknown_refund")
            done = await refunds.retry_refund(connection, refund_no, now_ms())
            after = await refunds.find_refund(connection, refund_no)
            if done:
                note_change(before, after)
        assert after is not None  # noqa: S101  nobody deletes refunds
        if not done:
            raise RefundRefused("refund_settled", f"The refund is {after.state}.")
        return after

    async def _add(
        self, paid: Paid, number: str, note: str, amount_fen: int
    ) -> tuple[Refund, bool]:
        is_new, at_ms = True, now_ms()
        try:
            async with session(self._sql, write=True) as connection:
                await refunds.add_refund(
                    connection, paid, number, refunds.OPERATOR, note, at_ms, amount_fen
                )
                note_change(None, await refunds.find_refund(connection, number))
        except IntegrityError:
            is_new = False  # the same request at the same time
        except TooMuchBack:
            async with session(self._sql) as connection:
                made = await refunds.find_refund(connection, number)
                left_fen = paid.amount_fen - await refunds.refunded_of(connection, paid.payment_id)
            if made is not None:
                return made, False
            detail = f"Of {paid.amount_fen} fen, {left_fen} are left."
            raise RefundRefused("too_much_back", detail) from None
        async with session(self._sql) as connection:
            made = await refunds.find_refund(connection, number)
        assert made is not None  # noqa: S101  committed above, and nobody deletes refunds
        return made, is_new

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
            ("total", found.paid_fen == news.paid_fen),
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
        async with session(self._sql) as connection:
            found = await refunds.list_refunds(connection, state, before=key_of(after), limit=limit)
        return found, next_cursor(
            found, limit, lambda refund: (refund.created_ms, refund.refund_no)
        )


def part_no_of(payment_id: str, refund_id: str) -> str:
    """The number of the refund with this id: the same at every retry, 33 characters."""
    digest = hashlib.blake2b(f"{payment_id}|{refund_id}".encode(), digest_size=16)
    return "r" + digest.hexdigest()


def _asked(order: Order, amount_fen: int | None, units: int | None) -> int | None:
    """The amount that is asked for; None for all that is left. Raises InvalidField."""
    if units is None:
        return amount_fen
    if amount_fen is not None:
        raise InvalidField("units", "Say either `units` or `amount_fen`.")
    if units > order.quantity:
        raise InvalidField("units", f"The order has {order.quantity}.")
    return units * order.price_fen
