"""Checks of the money: what the bank took is goods or on its way back. No I/O."""

from collections import defaultdict

from tests.faults.history import History, Outcome, Payment

_GOODS = ("sold", "late_sold")


def goods_or_refund(history: History, outcome: Outcome) -> list[str]:
    """Sold is paid; paid is sold, or due back; nothing is both; nobody invented a payment."""
    return [
        *_every_sale_is_paid(outcome),
        *_every_payment_was_made(history, outcome),
        *_every_answer_is_kept(history, outcome),
        *_the_sum_is_right(outcome),
    ]


def _every_sale_is_paid(outcome: Outcome) -> list[str]:
    goods: defaultdict[str, list[int]] = defaultdict(list)
    for payment in outcome.payments:
        if payment.result in _GOODS:
            goods[payment.order_id].append(payment.amount_fen)
    wrong = []
    for order in outcome.orders.values():
        paid = goods.pop(order.order_id, [])
        if order.state == "sold" and paid != [order.amount_fen]:
            wrong.append(f"{order.order_id} is sold for {order.amount_fen}, paid were {paid}")
        if order.state != "sold" and paid:
            wrong.append(f"{order.order_id} is {order.state}, but {paid} was taken for it")
    return wrong + [f"{rid} was paid and is no order" for rid in goods]


def _every_payment_was_made(history: History, outcome: Outcome) -> list[str]:
    made: dict[str, Payment] = {one.payment_id: one for one in history.payments}
    wrong = []
    seen: set[str] = set()
    for payment in outcome.payments:
        one = made.get(payment.payment_id)
        if one is None or (one.rid, one.amount_fen) != (payment.order_id, payment.amount_fen):
            wrong.append(f"{payment} is in SQL, the bank has {one}")
        if payment.payment_id in seen:
            wrong.append(f"{payment.payment_id} is in SQL twice")
        seen.add(payment.payment_id)
    return wrong


def _every_answer_is_kept(history: History, outcome: Outcome) -> list[str]:
    results = {payment.payment_id: payment.result for payment in outcome.payments}
    wrong = []
    for one in history.payments:
        found = results.get(one.payment_id)
        if one.result in ("SOLD", "LATE_SOLD", "REPLAYED") and found not in _GOODS:
            wrong.append(f"{one.payment_id} was answered {one.result}, SQL says {found}")
        if one.result == "REFUND_DUE" and found != "refund_due":
            wrong.append(f"{one.payment_id} must go back, SQL says {found}")
        if one.result in ("MISMATCH", "UNKNOWN"):
            wrong.append(f"{one.payment_id} of {one.rid} was answered {one.result}")
    return wrong


def _the_sum_is_right(outcome: Outcome) -> list[str]:
    back = {
        one.payment_id: one.amount_fen for one in outcome.payments if one.result == "refund_due"
    }
    refunds = {one.payment_id: one.amount_fen for one in outcome.refunds}
    if len(refunds) != len(outcome.refunds):
        return ["a payment has two refunds"]
    wrong = [f"{payment_id} has no refund" for payment_id in back.keys() - refunds.keys()]
    wrong += [f"{payment_id} goes back for nothing" for payment_id in refunds.keys() - back.keys()]
    money_in = sum(one.amount_fen for one in outcome.payments)
    goods = sum(order.amount_fen for order in outcome.orders.values() if order.state == "sold")
    if not wrong and money_in != goods + sum(refunds.values()):
        wrong.append(f"{money_in} fen came in, {goods} are goods, {sum(refunds.values())} go back")
    return wrong
