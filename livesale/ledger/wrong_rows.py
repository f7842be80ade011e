"""Rows that contradict each other: the checks of I2, I5, I6, I7, I8 and I11 within SQL.

Each function reads the rows of some drops, or (None) of all, and names up to SHOWN wrong ones, in
the caller's snapshot. The audit calls all of them, and so does the keeper before it seals a drop:
it seals only drops without wrong rows.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import Some, among, of_some
from livesale.ledger.campaign_units import over_campaign_limits
from livesale.ledger.refunds import ASKED_FOR, SALES, STRAY, UNKNOWN_ORDER
from livesale.ledger.tables import books, drops, orders, payments, refunds, stock_ledger
from stock.books import Books
from stock.model import ConfirmCode, HoldState

SHOWN = 6  # one more than the audit prints, to show that there are more

_BACK = (ConfirmCode.REFUND_DUE.lower(), STRAY)
_BACK_KIND = "take_back"
_ENDS = ("release", "expire", "confirm", "grant")


class OrderSums(Struct):
    """The orders of one drop: their number, and the units by state; sold ones without those that
    came back."""

    count: int = 0
    held: int = 0
    sold: int = 0


async def wrong_rows_of(connection: AsyncConnection, drop_id: str) -> list[str]:
    """All faults of one drop: books, ledger, orders and money."""
    some = [drop_id]
    counters = [books.c[name] for name in Books.__struct_fields__]
    row = (await connection.execute(select(*counters).where(books.c.drop_id == drop_id))).first()
    if row is None:
        return [f"{drop_id} has no books"]
    own = Books(*row)
    found = [] if own.balanced else [f"{drop_id}: its books do not balance"]
    moved, _ = (await ledger_sums(connection, some)).get(drop_id, (Books(), 0))
    if moved != own:
        found.append(f"{drop_id}: the ledger does not add up to its books")
    sums = (await order_sums(connection, some)).get(drop_id, OrderSums())
    found += orders_off_books(drop_id, sums, own)
    for look in (over_the_limit, wrong_endings, wrong_payments, early_orders):
        found += await look(connection, some)
    return found


def orders_off_books(drop_id: str, sums: OrderSums, own: Books) -> list[str]:
    """Compares the units of a drop's orders with its books, in the same snapshot."""
    if (sums.held, sums.sold) == (own.held, own.sold):
        return []
    return [
        f"{drop_id}: its orders are {sums.held} held and {sums.sold} sold, its books say "
        f"{own.held} and {own.sold}"
    ]


async def ledger_sums(connection: AsyncConnection, some: Some) -> dict[str, tuple[Books, int]]:
    """I2: the sum of the movements of each drop, and their number."""
    moved = stock_ledger.c
    parts = [func.sum(moved[name]) for name in ("available", "held", "sold", "burned")]
    query = (
        select(moved.drop_id, func.count(), *parts)
        .where(among(moved.drop_id, some))
        .group_by(moved.drop_id)
    )
    sums = {}
    for drop_id, count, *counts in await connection.execute(query):
        counters = [int(part) for part in counts]
        sums[drop_id] = (Books(sum(counters), *counters), count)
    return sums


async def order_sums(connection: AsyncConnection, some: Some) -> dict[str, OrderSums]:
    """I6: the orders of each drop that has any."""
    query = (
        select(orders.c.drop_id, orders.c.state, func.count(), func.sum(orders.c.quantity))
        .where(of_some(orders.c.order_id, some))
        .group_by(orders.c.drop_id, orders.c.state)
    )
    found: dict[str, OrderSums] = {}
    for drop_id, state, count, quantity in await connection.execute(query):
        sums = found.setdefault(drop_id, OrderSums())
        sums.count += count
        if state in (HoldState.HELD, HoldState.SOLD):
            setattr(sums, state, int(quantity))
    moved = stock_ledger.c
    back = (
        select(moved.drop_id, func.sum(moved.sold))
        .where(moved.kind == _BACK_KIND, among(moved.drop_id, some))
        .group_by(moved.drop_id)
    )
    for drop_id, units in await connection.execute(back):
        found.setdefault(drop_id, OrderSums()).sold += int(units)  # negative
    return found


async def strange_orders(connection: AsyncConnection) -> list[str]:
    """I6: orders of drops that do not exist, or whose id names another drop. Reads every order."""
    order = orders.c
    query = (
        select(order.order_id, order.drop_id)
        .select_from(orders.outerjoin(drops, drops.c.drop_id == order.drop_id))
        .where(or_(drops.c.drop_id.is_(None), order.order_id.not_like(order.drop_id + "-%")))
        .limit(SHOWN)
    )
    return [
        f"{order_id} is not an order of a drop: it names {drop_id}"
        for order_id, drop_id in await connection.execute(query)
    ]


async def over_the_limit(connection: AsyncConnection, some: Some) -> list[str]:
    """I5: buyers who hold and own more units of a drop than its limit, or of its campaign."""
    moved = stock_ledger.c
    back = (
        select(moved.order_id, func.sum(moved.sold).label("units"))
        .where(moved.kind == _BACK_KIND, among(moved.drop_id, some))
        .group_by(moved.order_id)
        .subquery()
    )
    units = func.sum(orders.c.quantity + func.coalesce(back.c.units, 0))
    query = (
        select(orders.c.drop_id, orders.c.buyer_id, units, drops.c.buyer_limit)
        .join(drops, drops.c.drop_id == orders.c.drop_id)
        .outerjoin(back, back.c.order_id == orders.c.order_id)
        .where(
            of_some(orders.c.order_id, some), orders.c.state.in_((HoldState.HELD, HoldState.SOLD))
        )
        .group_by(orders.c.drop_id, orders.c.buyer_id, drops.c.buyer_limit)
        .having(units > drops.c.buyer_limit)
        .limit(SHOWN)
    )
    return [
        f"{buyer} has {count} of {drop_id}, the limit is {limit}"
        for drop_id, buyer, count, limit in await connection.execute(query)
    ] + await over_campaign_limits(connection, some)


async def wrong_endings(connection: AsyncConnection, some: Some) -> list[str]:
    """I7: for each order, the ledger has one reservation, at most one end, and the right sums.

    Only sold units come back, and no more than were sold.
    """
    moved, order = stock_ledger.c, orders.c
    begins = or_(moved.kind == "reserve", and_(moved.kind == "grant", moved.held == 0))
    taken = moved.kind == _BACK_KIND
    per_order = (
        select(
            moved.order_id,
            func.sum(case((begins, 1), else_=0)).label("begun"),
            func.sum(case((moved.kind.in_(_ENDS), 1), else_=0)).label("ended"),
            func.sum(case((taken, 0), else_=moved.available)).label("available"),
            func.sum(moved.held).label("held"),
            func.sum(case((taken, 0), else_=moved.sold)).label("sold"),
            func.sum(case((taken, -moved.sold), else_=0)).label("back"),
        )
        .where(moved.order_id.is_not(None), among(moved.drop_id, some))
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
                row.back > sold,
            )
        )
        .limit(SHOWN)
    )
    return [
        f"{order_id} was reserved {begun} times and ended {ended} times: {rest} held, {own} sold"
        for order_id, begun, ended, rest, own in await connection.execute(wrong)
    ]


async def early_orders(connection: AsyncConnection, some: Some) -> list[str]:
    """I11: by the times in the rows, which come from Redis's clock."""
    query = (
        select(orders.c.order_id, orders.c.created_ms, drops.c.opens_ms)
        .join(drops, drops.c.drop_id == orders.c.drop_id)
        .where(of_some(orders.c.order_id, some), orders.c.created_ms < drops.c.opens_ms)
        .limit(SHOWN)
    )
    return [
        f"{order_id} was reserved {opens_ms - created_ms} ms before the opening"
        for order_id, created_ms, opens_ms in await connection.execute(query)
    ]


async def wrong_payments(connection: AsyncConnection, some: Some) -> list[str]:
    """I8: sold ⇔ paid in full or granted; a payment that must go back has its refund."""
    order, payment, refund = orders.c, payments.c, refunds.c
    moved = stock_ledger.c
    granted = select(moved.order_id).where(
        among(moved.drop_id, some), moved.kind == "grant", moved.order_id.is_not(None)
    )
    sale = and_(payment.order_id == order.order_id, payment.result.in_(SALES))
    mine = of_some(payment.order_id, some)
    unpaid = (
        select(order.order_id)
        .select_from(orders.outerjoin(payments, sale))
        .where(
            of_some(order.order_id, some),
            order.state == HoldState.SOLD,
            payment.payment_id.is_(None),
            or_(order.amount_fen != 0, order.order_id.not_in(granted)),
        )
    )
    paid_for = select(payment.order_id).where(
        mine, payment.result.in_(SALES), payment.order_id.in_(granted)
    )
    wrong = (
        select(payment.payment_id)
        .select_from(payments.outerjoin(orders, order.order_id == payment.order_id))
        .where(
            mine,
            payment.result.in_(SALES),
            or_(
                order.order_id.is_(None),
                order.state != HoldState.SOLD,
                order.amount_fen != payment.amount_fen,
            ),
        )
    )
    twice = (
        select(payment.order_id)
        .where(mine, payment.result.in_(SALES))
        .group_by(payment.order_id)
        .having(func.count() > 1)
    )
    unreturned = (
        select(payment.payment_id)
        .select_from(payments.outerjoin(refunds, refund.payment_id == payment.payment_id))
        .where(
            mine,
            payment.result.in_(_BACK),
            or_(refund.refund_no.is_(None), refund.amount_fen != payment.amount_fen),
        )
    )
    too_much = select(payment.payment_id).where(
        mine,
        payment.amount_fen
        < select(func.sum(refund.amount_fen))
        .where(refund.payment_id == payment.payment_id)
        .scalar_subquery(),
    )
    queries: list[tuple[Select[tuple[str]], str]] = [
        (unpaid, "{} is sold without a payment or a grant"),
        (paid_for, "{} was granted and paid for"),
        (wrong, "payment {} has no sold order of its amount"),
        (twice, "{} was paid for twice"),
        (unreturned, "payment {} must go back and has no refund of its amount"),
        (too_much, "more of payment {} goes back than was paid"),
        (_unasked(of_some(refund.order_id, some)), _UNASKED),
    ]
    found = []
    for query, text in queries:
        found += [text.format(name) for name in await connection.scalars(query.limit(SHOWN))]
    return found


async def wrong_refunds_of_nobody(connection: AsyncConnection) -> list[str]:
    """I8: refunds of payments for unknown orders, which belong to no drop."""
    query = _unasked(refunds.c.reason == UNKNOWN_ORDER).limit(SHOWN)
    return [_UNASKED.format(name) for name in await connection.scalars(query)]


_UNASKED = "refund {} has no payment of its amount that must go back"


def _unasked(which: Any) -> Select[tuple[str]]:
    payment, refund = payments.c, refunds.c
    return (
        select(refund.refund_no)
        .select_from(refunds.outerjoin(payments, refund.payment_id == payment.payment_id))
        .where(
            which,
            or_(
                payment.payment_id.is_(None),
                payment.order_id != refund.order_id,
                refund.amount_fen < 1,
                payment.amount_fen < refund.amount_fen,
                # The payment of a sold order goes back only if somebody said so; perhaps a part.
                and_(payment.result.in_(SALES), refund.reason.not_in(ASKED_FOR)),
                and_(payment.result.not_in(SALES), payment.amount_fen != refund.amount_fen),
            ),
        )
    )
