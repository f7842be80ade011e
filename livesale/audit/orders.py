"""I5, I7, I8 and I11: what SQL says by itself, in one snapshot, aggregated where it lies."""

from collections.abc import AsyncIterator

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.audit.check import SHOWN, Check, verdict
from livesale.store.quarantine import QuarantineState
from livesale.store.refunds import OPERATOR, STRAY
from livesale.store.tables import drops, orders, payments, quarantine, refunds, stock_ledger
from livesale.wording import counted
from stock.model import ConfirmCode, HoldState

I5 = ("I5", "one effect per reservation, no buyer over the limit")
I7 = ("I7", "a hold ends once, and its stock comes back once")
I8 = ("I8", "sold ⇔ paid in full; money that must go back has a refund")
I11 = ("I11", "no reservation before the opening")
QUARANTINE = ("log", "entries put into quarantine")

_SALES = (ConfirmCode.SOLD.lower(), ConfirmCode.LATE_SOLD.lower())
_REFUND_DUE = ConfirmCode.REFUND_DUE.lower()
_BACK = (_REFUND_DUE, STRAY)
_ENDS = ("release", "expire", "confirm")


async def over_the_limit(connection: AsyncConnection) -> list[str]:
    """I5: buyers who hold and own more of a drop than it allows."""
    units = func.sum(orders.c.quantity)
    query = (
        select(orders.c.drop_id, orders.c.buyer_id, units, drops.c.buyer_limit)
        .join(drops, drops.c.drop_id == orders.c.drop_id)
        .where(orders.c.state.in_((HoldState.HELD, HoldState.SOLD)))
        .group_by(orders.c.drop_id, orders.c.buyer_id, drops.c.buyer_limit)
        .having(units > drops.c.buyer_limit)
        .limit(SHOWN + 1)
    )
    return [
        f"{buyer} has {count} of {drop_id}, the limit is {limit}"
        for drop_id, buyer, count, limit in await connection.execute(query)
    ]


async def check_endings(connection: AsyncConnection) -> Check:
    """I7: per order, the ledger has one reservation, at most one ending, and the right rest."""
    moved, order = stock_ledger.c, orders.c
    per_order = (
        select(
            moved.order_id,
            func.sum(case((moved.kind == "reserve", 1), else_=0)).label("begun"),
            func.sum(case((moved.kind.in_(_ENDS), 1), else_=0)).label("ended"),
            func.sum(moved.available).label("available"),
            func.sum(moved.held).label("held"),
            func.sum(moved.sold).label("sold"),
        )
        .where(moved.order_id.is_not(None))
        .group_by(moved.order_id)
        .subquery()
    )
    row = per_order.c
    held = case((order.state == HoldState.HELD, order.quantity), else_=0)
    sold = case((order.state == HoldState.SOLD, order.quantity), else_=0)
    wrong = (
        select(row.order_id, row.begun, row.ended, row.held, row.sold)
        .join(orders, order.order_id == row.order_id)
        .where(
            or_(
                row.begun != 1,
                row.ended != case((order.state == HoldState.HELD, 0), else_=1),
                row.held != held,
                row.sold != sold,
                row.available != -held - sold,
            )
        )
        .limit(SHOWN + 1)
    )
    broken = [
        f"{order_id} was reserved {begun} times and ended {ended} times: {rest} held, {own} sold"
        for order_id, begun, ended, rest, own in await connection.execute(wrong)
    ]
    count = await connection.scalar(select(func.count()).select_from(orders))
    return verdict(*I7, broken, f"{counted(count or 0, 'order')} against their movements")


async def check_payments(connection: AsyncConnection) -> Check:
    """I8: in both directions, and each payment that must go back has its refund."""
    broken = [text async for text in _wrong_payments(connection)]
    paid = await connection.scalar(select(func.count()).select_from(payments))
    due = await connection.scalar(select(func.count()).select_from(refunds))
    return verdict(*I8, broken, f"{counted(paid or 0, 'payment')}, {counted(due or 0, 'refund')}")


async def _wrong_payments(connection: AsyncConnection) -> AsyncIterator[str]:
    order, payment, refund = orders.c, payments.c, refunds.c
    sale = and_(payment.order_id == order.order_id, payment.result.in_(_SALES))
    unpaid = (
        select(order.order_id)
        .select_from(orders.outerjoin(payments, sale))
        .where(order.state == HoldState.SOLD, payment.payment_id.is_(None))
    )
    wrong = (
        select(payment.payment_id)
        .select_from(payments.outerjoin(orders, order.order_id == payment.order_id))
        .where(
            payment.result.in_(_SALES),
            or_(
                order.order_id.is_(None),
                order.state != HoldState.SOLD,
                order.amount_fen != payment.amount_fen,
            ),
        )
    )
    twice = (
        select(payment.order_id)
        .where(payment.result.in_(_SALES))
        .group_by(payment.order_id)
        .having(func.count() > 1)
    )
    unreturned = (
        select(payment.payment_id)
        .select_from(payments.outerjoin(refunds, refund.payment_id == payment.payment_id))
        .where(
            payment.result.in_(_BACK),
            or_(refund.refund_no.is_(None), refund.amount_fen != payment.amount_fen),
        )
    )
    unasked = (
        select(refund.refund_no)
        .select_from(refunds.outerjoin(payments, refund.payment_id == payment.payment_id))
        .where(
            or_(
                payment.payment_id.is_(None),
                payment.amount_fen != refund.amount_fen,
                payment.order_id != refund.order_id,
                # What bought goods goes back only if an operator says so.
                and_(payment.result.in_(_SALES), refund.reason != OPERATOR),
            )
        )
    )
    queries: list[tuple[Select[tuple[str]], str]] = [
        (unpaid, "{} is sold without a payment"),
        (wrong, "payment {} has no sold order of its amount"),
        (twice, "{} was paid for twice"),
        (unreturned, "payment {} must go back and has no refund of its amount"),
        (unasked, "refund {} has no payment of its amount that must go back"),
    ]
    for query, text in queries:
        for found in await connection.scalars(query.limit(SHOWN + 1)):
            yield text.format(found)


async def check_opening(connection: AsyncConnection) -> Check:
    """I11: by the times that the script noted, which are those of Redis's clock."""
    query = (
        select(orders.c.order_id, orders.c.created_ms, drops.c.opens_ms)
        .join(drops, drops.c.drop_id == orders.c.drop_id)
        .where(orders.c.created_ms < drops.c.opens_ms)
        .limit(SHOWN + 1)
    )
    broken = [
        f"{order_id} was reserved {opens_ms - created_ms} ms before the opening"
        for order_id, created_ms, opens_ms in await connection.execute(query)
    ]
    first = await connection.scalar(
        select(func.min(orders.c.created_ms - drops.c.opens_ms)).join(
            drops, drops.c.drop_id == orders.c.drop_id
        )
    )
    fine = "no orders yet" if first is None else f"the first came {first} ms after an opening"
    return verdict(*I11, broken, fine)


async def report_quarantine(connection: AsyncConnection) -> Check:
    """What was put aside. No promise is broken by it alone: where one is, its own check says so."""
    aside = quarantine.c.state == QuarantineState.ASIDE
    count = await connection.scalar(select(func.count()).where(aside)) or 0
    if not count:
        return Check(*QUARANTINE, True, "none")
    newest = quarantine.c.created_ms.desc()
    query = select(quarantine.c.log_id, quarantine.c.reason).where(aside)
    query = query.order_by(newest).limit(1)
    log_id, reason = (await connection.execute(query)).one()
    return Check(*QUARANTINE, True, f"{count}, to be looked at; the newest is {log_id}: {reason}")
