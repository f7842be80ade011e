"""Turns each payment into a sale or a refund. For callbacks and the keeper.

When `take` returns, the effect is in Redis's log and on disk. It also marks the prepay as paid in
SQL; if SQL is unavailable, the keeper does that later.
"""

import asyncio
from enum import StrEnum

import structlog
from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.store import find_joined
from livesale.ledger import refunds
from livesale.ledger.orders import Order, find_any_order
from livesale.ledger.plan import refund_no_of
from livesale.ledger.refunds import Paid
from livesale.payments import prepays
from livesale.payments.errors import AmountMismatch, CallbackRefused
from livesale.payments.gateway import Payment
from livesale.payments.metrics import PAYMENTS
from livesale.resources import Deployment
from stock.errors import FencedOff, OutcomeUnknown, Unreachable
from stock.model import ConfirmCode, HoldState

MARK_S = 1.0  # timeout for marking the prepay; the payment is safe without it

log = structlog.get_logger(__name__)


class PaymentResult(StrEnum):
    """The result of a payment."""

    SOLD = "sold"
    LATE_SOLD = "late_sold"  # the hold had ended, but the units were still available
    REPLAYED = "replayed"
    REFUND_DUE = "refund_due"
    STRAY = "stray"  # unknown reservation: refunded
    FAILED = "failed"  # only from the simulated bank: no money


_RESULTS = {
    ConfirmCode.SOLD: PaymentResult.SOLD,
    ConfirmCode.LATE_SOLD: PaymentResult.LATE_SOLD,
    ConfirmCode.REPLAYED: PaymentResult.REPLAYED,
    ConfirmCode.REFUND_DUE: PaymentResult.REFUND_DUE,
}


class Receipt(Struct, frozen=True):
    result: PaymentResult


class Intake:
    """One per process. Repeating the same payment changes nothing."""

    def __init__(self, deployment: Deployment) -> None:
        self._engine = deployment.engine
        self._sql = deployment.sql

    async def take(self, payment: Payment) -> Receipt:
        """Confirm the sale, or make a refund due.

        Raises CallbackRefused (another buyer's), AmountMismatch, StoreUnavailable, and the faults
        of stock.errors; after each, the same payment may be repeated.
        """
        if payment.buyer_id:
            await self._check_buyer(payment)
        outcome = await self._engine.confirm(
            payment.order_id, payment.payment_id, payment.amount_fen
        )
        if outcome.code is ConfirmCode.FENCED:
            raise FencedOff(payment.order_id)
        if outcome.code is ConfirmCode.MISMATCH:
            raise AmountMismatch(f"{payment.amount_fen} fen for {payment.order_id}")
        if outcome.code is ConfirmCode.UNKNOWN:
            result = await self._take_stray(payment)
        else:
            result = _RESULTS[outcome.code]
        PAYMENTS.labels(result).inc()
        log.info(
            "a payment was accepted",
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            amount_fen=payment.amount_fen,
            result=result,
        )
        await self._mark_paid(payment.order_id)
        return Receipt(result)

    async def _check_buyer(self, payment: Payment) -> None:
        try:
            reservation = await self._engine.reservation(payment.order_id)
        except OutcomeUnknown as fault:
            raise Unreachable(str(fault)) from fault  # a read changes nothing
        if reservation is not None and not await self._is_of(payment, reservation.buyer_id):
            raise CallbackRefused("payer")

    async def _is_of(self, payment: Payment, buyer_id: str) -> bool:
        """Whether the payer is this buyer, perhaps by another login. Raises StoreUnavailable."""
        if payment.buyer_id == buyer_id:
            return True
        return await find_joined(self._sql, payment.buyer_id) == buyer_id

    async def _take_stray(self, payment: Payment) -> PaymentResult:
        """Redis is not fenced off and has no such reservation: make a refund due."""
        async with session(self._sql) as connection:
            if await refunds.find_payment(connection, payment.payment_id):
                return PaymentResult.REPLAYED
            order = await find_any_order(connection, payment.order_id)
        reason = refunds.UNKNOWN_ORDER
        if order is not None:
            if payment.buyer_id and not await self._is_of(payment, order.buyer_id):
                raise CallbackRefused("payer")
            reason = _why_back(order, payment)
        paid = Paid(payment.payment_id, payment.order_id, payment.amount_fen, refunds.STRAY)
        at_ms = now_ms()
        try:
            async with session(self._sql, write=True) as connection:
                await refunds.add_stray_payment(connection, paid, at_ms)
                number = refund_no_of(payment.payment_id)
                await refunds.add_refund(connection, paid, number, reason, "", at_ms)
        except IntegrityError:
            return PaymentResult.REPLAYED  # the same callback twice at the same time
        log.error(
            "money for an unknown reservation goes back",
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            amount_fen=payment.amount_fen,
        )
        return PaymentResult.STRAY

    async def _mark_paid(self, order_id: str) -> None:
        try:
            async with asyncio.timeout(MARK_S):
                async with session(self._sql) as connection:
                    is_open = await prepays.open_among(connection, [order_id])
                if is_open:  # avoids SQLite's single write lock
                    async with session(self._sql, write=True) as connection:
                        await prepays.end_prepay(connection, order_id, prepays.PAID, now_ms())
        except (StoreUnavailable, TimeoutError):
            log.warning("SQL is away: the keeper will find this payment later", order_id=order_id)


def _why_back(order: Order, payment: Payment) -> str:
    if order.amount_fen != payment.amount_fen:
        raise AmountMismatch(f"{payment.amount_fen} fen for {payment.order_id}")
    if order.state == HoldState.HELD:
        raise FencedOff(payment.order_id)  # SQL has a hold that Redis lost
    return refunds.PAID_TWICE if order.state == HoldState.SOLD else refunds.TOO_LATE
