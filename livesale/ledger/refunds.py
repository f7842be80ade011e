"""Refunds: each has its own number.

Their states are in livesale.ledger.refund_states. Every UPDATE has the expected state in its WHERE.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import older
from livesale.errors import LivesaleError
from livesale.ledger.refund_states import (
    AFTER,
    DUE,
    FAILED,
    RETRIED,
    SENT,
    UNDER_WAY,
    WAITING,
    WATCHED,
    is_doubted,
)
from livesale.ledger.seals import unseal_drop_of
from livesale.ledger.tables import orders, payments, refunds

TOO_LATE, PAID_TWICE, UNKNOWN_ORDER = "too_late", "paid_twice", "unknown_order"
OPERATOR, AFTER_SALE = "operator", "after_sale"
STRAY = "stray"  # the result of a payment for an unknown order
SALES = ("sold", "late_sold")
ASKED_FOR = (OPERATOR, AFTER_SALE)  # reasons for refunding the payment of a sold order
MAX_ERROR = 300


class TooMuchBack(LivesaleError):
    """More would go back than was paid. Nothing has changed."""


class Refund(Struct, frozen=True):
    """A refund, of a payment or of a part of it. `paid_fen` is the amount of the payment."""

    refund_no: str
    payment_id: str
    order_id: str
    amount_fen: int
    state: str
    reason: str
    note: str  # an operator's text
    gateway_no: str
    tries: int
    next_ms: int
    last_error: str
    created_ms: int
    updated_ms: int
    paid_fen: int


class Paid(Struct, frozen=True):
    """A row of the payments."""

    payment_id: str
    order_id: str
    amount_fen: int
    result: str


class Waiting(Struct, frozen=True):
    """Refunds that the gateway has not accepted: their number, and when the oldest became due."""

    count: int
    oldest_ms: int


_REFUND: Select[Any] = select(
    *[refunds.c[name] for name in Refund.__struct_fields__ if name != "paid_fen"],
    func.coalesce(payments.c.amount_fen, refunds.c.amount_fen),
).select_from(refunds.outerjoin(payments, payments.c.payment_id == refunds.c.payment_id))
_PAID = select(*[payments.c[name] for name in Paid.__struct_fields__])


async def find_refund(connection: AsyncConnection, refund_no: str) -> Refund | None:
    row = (await connection.execute(_REFUND.where(refunds.c.refund_no == refund_no))).first()
    return Refund(*row) if row else None


async def refunds_of(connection: AsyncConnection, order_ids: Sequence[str]) -> list[Refund]:
    """All refunds of some orders, the oldest first."""
    query = _REFUND.where(refunds.c.order_id.in_(order_ids)).order_by(
        refunds.c.created_ms, refunds.c.refund_no
    )
    return [Refund(*row) for row in await connection.execute(query)]


async def list_refunds(
    connection: AsyncConnection, state: str | None, *, before: tuple[int, str] | None, limit: int
) -> list[Refund]:
    """Refunds older than the key (created_ms, refund_no), the newest first."""
    query = _REFUND.order_by(refunds.c.created_ms.desc(), refunds.c.refund_no.desc()).limit(limit)
    if state is not None:
        query = query.where(refunds.c.state == state)
    if before is not None:
        query = query.where(older(refunds.c.created_ms, refunds.c.refund_no, before))
    return [Refund(*row) for row in await connection.execute(query)]


async def due_refunds(connection: AsyncConnection, now_ms: int, limit: int) -> list[Refund]:
    """Refunds whose next step is due, also failed ones, the longest waiting first."""
    query = (
        _REFUND.where(refunds.c.state.in_(WATCHED), refunds.c.next_ms <= now_ms)
        .order_by(refunds.c.next_ms, refunds.c.refund_no)
        .limit(limit)
    )
    return [Refund(*row) for row in await connection.execute(query)]


async def claim_refund(
    connection: AsyncConnection, found: Refund, next_ms: int, at_ms: int
) -> bool:
    """Schedule its next step, which claims it; False if another keeper was first."""
    done = await connection.execute(
        update(refunds)
        .where(
            refunds.c.refund_no == found.refund_no,
            refunds.c.state == found.state,
            refunds.c.tries == found.tries,
        )
        .values(
            state=SENT if found.state == DUE else found.state,
            tries=refunds.c.tries + 1,
            next_ms=next_ms,
            updated_ms=at_ms,
        )
    )
    return done.rowcount == 1


async def move_refund(
    connection: AsyncConnection,
    refund_no: str,
    answer: str,
    at_ms: int,
    *,
    gateway_no: str = "",
    error: str = "",
    next_ms: int = 0,
) -> str | None:
    """Save the gateway's answer: accepted, refunded or failed. Returns the state if it is new.

    `next_ms` is when to ask again, if it needs more checks. In a writing transaction.
    """
    query = select(refunds.c.state, refunds.c.last_error).where(refunds.c.refund_no == refund_no)
    state, last_error = (await connection.execute(query.with_for_update())).one()
    after = AFTER[state][answer]
    if after == state and (after != FAILED or last_error == error):
        return None
    values: dict[str, str | int] = {"state": after, "updated_ms": at_ms, "last_error": error}
    if gateway_no:
        values["gateway_no"] = gateway_no
    if is_doubted(state, answer):
        values |= {"next_ms": at_ms, "tries": 0}
    elif next_ms:
        values |= {"next_ms": next_ms, "tries": 0}
    await connection.execute(update(refunds).where(refunds.c.refund_no == refund_no).values(values))
    return after if after != state else None


async def retry_refund(connection: AsyncConnection, refund_no: str, at_ms: int) -> bool:
    """Make it due now, with its old number: a failed one, or one that the gateway has not accepted.

    False if it is in another state.
    """
    done = await connection.execute(
        update(refunds)
        .where(refunds.c.refund_no == refund_no, refunds.c.state.in_(RETRIED))
        .values(state=DUE, tries=0, next_ms=at_ms, updated_ms=at_ms)
    )
    return done.rowcount == 1


async def note_error(connection: AsyncConnection, refund_no: str, error: str, at_ms: int) -> None:
    """Save why the last try failed."""
    await connection.execute(
        update(refunds)
        .where(refunds.c.refund_no == refund_no, refunds.c.state.in_(UNDER_WAY))
        .values(last_error=error[:MAX_ERROR], updated_ms=at_ms)
    )


async def add_refund(
    connection: AsyncConnection,
    paid: Paid,
    refund_no: str,
    reason: str,
    note: str,
    at_ms: int,
    amount_fen: int | None = None,
) -> None:
    """Insert a refund of a payment, or of a part of it; unseals its drop.

    An order of which nothing is packed is cancelled when all of its money goes back.
    Raises IntegrityError if the number is taken, TooMuchBack if less is left: roll back.
    """
    amount_fen = paid.amount_fen if amount_fen is None else amount_fen
    # In this order, as all transactions after the sale: the order, then its payment.
    mine = select(orders.c.order_id).where(orders.c.order_id == paid.order_id)
    await connection.execute(mine.with_for_update())
    await unseal_drop_of(connection, paid.order_id)
    back_fen = await _take_money(connection, paid.payment_id, amount_fen)
    if back_fen == paid.amount_fen and paid.result in SALES:
        waiting = (orders.c.order_id == paid.order_id, orders.c.stage == "")
        await connection.execute(update(orders).where(*waiting).values(stage="cancelled"))
    await connection.execute(
        insert(refunds),
        {
            "refund_no": refund_no,
            "payment_id": paid.payment_id,
            "order_id": paid.order_id,
            "amount_fen": amount_fen,
            "state": DUE,
            "reason": reason,
            "note": note,
            "created_ms": at_ms,
            "updated_ms": at_ms,
        },
    )


async def _take_money(connection: AsyncConnection, payment_id: str, amount_fen: int) -> int:
    """Add to the sum that goes back, by compare-and-set; the sum then. Raises TooMuchBack."""
    payment = payments.c
    done = await connection.execute(
        update(payments)
        .where(
            payment.payment_id == payment_id, payment.back_fen + amount_fen <= payment.amount_fen
        )
        .values(back_fen=payment.back_fen + amount_fen)
    )
    # Also by the rows: the release before did not count.
    back_fen = await refunded_of(connection, payment_id) + amount_fen
    query = select(payment.amount_fen).where(payment.payment_id == payment_id)
    if done.rowcount != 1 or back_fen > (await connection.scalar(query) or 0):
        raise TooMuchBack(f"{amount_fen} fen of {payment_id}")
    return back_fen


async def refunded_of(connection: AsyncConnection, payment_id: str) -> int:
    """The sum of a payment's refunds, whatever their state."""
    query = select(func.sum(refunds.c.amount_fen)).where(refunds.c.payment_id == payment_id)
    return int(await connection.scalar(query) or 0)


async def is_all_back(connection: AsyncConnection, order_id: str) -> bool:
    """Whether all that was paid for a sold order goes back."""
    paid = await sale_of(connection, order_id)
    if paid is None or not paid.amount_fen:
        return False
    return await refunded_of(connection, paid.payment_id) >= paid.amount_fen


async def add_stray_payment(connection: AsyncConnection, paid: Paid, at_ms: int) -> None:
    """Insert a payment for an unknown order; unseals its drop, if any.

    Raises IntegrityError if it exists.
    """
    await unseal_drop_of(connection, paid.order_id)
    row = {name: getattr(paid, name) for name in Paid.__struct_fields__}
    await connection.execute(insert(payments), row | {"created_ms": at_ms})


async def find_payment(connection: AsyncConnection, payment_id: str) -> Paid | None:
    row = (await connection.execute(_PAID.where(payments.c.payment_id == payment_id))).first()
    return Paid(*row) if row else None


async def sale_of(connection: AsyncConnection, order_id: str) -> Paid | None:
    """The payment of a sold order."""
    query = _PAID.where(payments.c.order_id == order_id, payments.c.result.in_(SALES))
    row = (await connection.execute(query)).first()
    return Paid(*row) if row else None


async def count_waiting(connection: AsyncConnection) -> Waiting:
    """Refunds that the gateway has not accepted yet."""
    query = select(func.count(), func.min(refunds.c.created_ms)).where(refunds.c.state.in_(WAITING))
    count, oldest_ms = (await connection.execute(query)).one()
    return Waiting(count, oldest_ms or 0)


async def count_failed(connection: AsyncConnection) -> int:
    """Failed refunds, which a person must handle."""
    query = select(func.count()).select_from(refunds).where(refunds.c.state == FAILED)
    return await connection.scalar(query) or 0
