"""The checker catches every kind of violation, and is content with a history without one."""

from collections.abc import Callable

import pytest

from stock.ids import keyed_rid
from tests.faults.checker import judge, resolved
from tests.faults.history import (
    Adjust,
    Answer,
    Blind,
    Claim,
    History,
    Movement,
    OrderState,
    Outcome,
    Payment,
    PaymentState,
    RefundState,
    Release,
    Terms,
    Try,
)

DROP = "d1"
PRICE_FEN = 100
OPENS_MS = 10_000
HOLD_MS = 5_000
Forgery = Callable[[History, Outcome], None]


def rid_of(buyer: str) -> str:
    return keyed_rid(DROP, buyer, "k")


def clean() -> tuple[History, Outcome]:
    """Four units. ann buys one, bob gives two back, cat pays late, dan's answer is lost, eve hears
    "sold out" while all are gone, fay pays twice."""
    history, outcome = History(), Outcome()
    history.drops[DROP] = Terms(DROP, 4, 2, PRICE_FEN, OPENS_MS, HOLD_MS)
    move(outcome, None, "open", available=4, at_ms=9_000)
    for at_ms, buyer, quantity in ((11_000, "ann", 1), (11_010, "bob", 2), (11_020, "cat", 1)):
        hold(history, outcome, buyer, quantity, at_ms)
    ask(history, "eve", 1, 11_500, "sold_out")
    pay(history, outcome, "ann", "SOLD", 12_000)
    history.releases.append(Release(rid_of("bob"), 12_100, 12_110, "released"))
    end(outcome, "bob", "release", 12_105)
    end(outcome, "cat", "expire", 16_030)
    history.adjusts.append(Adjust(DROP, 3, "found", 16_035, True))
    move(outcome, None, "restock", available=3, at_ms=16_040, note="found")
    pay(history, outcome, "cat", "LATE_SOLD", 16_100)
    hold(history, outcome, "dan", 1, 16_200)
    history.claims[-1].answers.clear()
    history.claims[-1].tries[0].code = "lost"
    end(outcome, "dan", "expire", 21_300)
    hold(history, outcome, "fay", 1, 22_000)
    pay(history, outcome, "fay", "SOLD", 22_100)
    pay(history, outcome, "fay", "REFUND_DUE", 22_200)
    set_redis(outcome)
    return history, outcome


def hold(history: History, outcome: Outcome, buyer: str, quantity: int, at_ms: int) -> None:
    rid, amount_fen = rid_of(buyer), quantity * PRICE_FEN
    claim = ask(history, buyer, quantity, at_ms - 5, "held", took_ms=10)
    claim.answers.append(Answer(rid, quantity, amount_fen, at_ms + HOLD_MS, at_ms + 5))
    outcome.orders[rid] = OrderState(
        rid, DROP, buyer, quantity, amount_fen, "held", at_ms + HOLD_MS, at_ms
    )
    move(outcome, rid, "reserve", available=-quantity, held=quantity, at_ms=at_ms)


def ask(
    history: History, buyer: str, quantity: int, sent_ms: float, code: str, took_ms: float = 20
) -> Claim:
    claim = Claim(DROP, buyer, quantity, rid_of(buyer))
    claim.tries.append(Try(sent_ms, sent_ms + took_ms, code))
    history.claims.append(claim)
    return claim


def pay(history: History, outcome: Outcome, buyer: str, result: str, at_ms: int) -> None:
    rid = rid_of(buyer)
    order = outcome.orders[rid]
    payment_id = f"pay-{len(history.payments)}"
    history.payments.append(
        Payment(payment_id, rid, order.amount_fen, at_ms - 5, at_ms + 5, result)
    )
    outcome.payments.append(PaymentState(payment_id, rid, order.amount_fen, result.lower()))
    if result == "REFUND_DUE":
        outcome.refunds.append(RefundState(payment_id, rid, order.amount_fen))
        return
    n = order.quantity
    if result == "SOLD":
        move(outcome, rid, "confirm", held=-n, sold=n, at_ms=at_ms)
    else:
        move(outcome, rid, "late_confirm", available=-n, sold=n, at_ms=at_ms)
    set_state(outcome, rid, "sold")


def end(outcome: Outcome, buyer: str, kind: str, at_ms: int) -> None:
    rid = rid_of(buyer)
    n = outcome.orders[rid].quantity
    move(outcome, rid, kind, available=n, held=-n, at_ms=at_ms)
    set_state(outcome, rid, "released" if kind == "release" else "expired")


def move(
    outcome: Outcome,
    rid: str | None,
    kind: str,
    available: int = 0,
    held: int = 0,
    sold: int = 0,
    at_ms: int = 0,
    note: str | None = None,
) -> None:
    outcome.ledger.append(Movement(DROP, rid, kind, available, held, sold, 0, at_ms, note))


def set_state(outcome: Outcome, rid: str, state: str) -> None:
    old = outcome.orders[rid]
    fields = {name: getattr(old, name) for name in OrderState.__struct_fields__}
    outcome.orders[rid] = OrderState(**{**fields, "state": state})


def set_redis(outcome: Outcome) -> None:
    available = sum(one.available for one in outcome.ledger)
    held = sum(one.held for one in outcome.ledger)
    sold = sum(one.sold for one in outcome.ledger)
    outcome.redis[DROP] = (available + held + sold, available, held, sold, 0)


def broken(history: History, outcome: Outcome) -> list[str]:
    return [finding.title for finding in judge(history, outcome) if not finding.ok]


def test_a_clean_history_passes() -> None:
    history, outcome = clean()
    assert broken(history, outcome) == []
    assert resolved(history, outcome) == (1, 0)


def test_an_unknown_may_land_or_not() -> None:
    # Given a request whose answer was lost, once with its order in SQL (dan's) and once without
    history, outcome = clean()
    ask(history, "gus", 2, 23_000, "outcome_unknown")
    ask(history, "hal", 1, 23_000, "hung_up").rid = ""

    # Then both are fine
    assert broken(history, outcome) == []
    assert resolved(history, outcome) == (1, 2)


def a_lost_acknowledgement(history: History, outcome: Outcome) -> None:
    rid = rid_of("ann")
    del outcome.orders[rid]
    outcome.ledger = [one for one in outcome.ledger if one.order_id != rid]
    outcome.payments = [one for one in outcome.payments if one.order_id != rid]
    history.payments = [one for one in history.payments if one.rid != rid]
    set_redis(outcome)


def an_order_of_another_size(history: History, outcome: Outcome) -> None:
    history.claims[0].quantity = 2


def units_that_two_buyers_have(history: History, outcome: Outcome) -> None:
    # gus is told that two units are his, and SQL knows of them, while ann, bob and cat have all
    hold(history, outcome, "gus", 2, 11_100)
    outcome.ledger.sort(key=lambda one: one.at_ms)
    set_redis(outcome)


def units_promised_that_sql_never_gave(history: History, outcome: Outcome) -> None:
    claim = ask(history, "gus", 2, 11_100, "held")
    claim.answers.append(Answer(claim.rid, 2, 200, 16_100, 11_120))


def an_order_nobody_asked_for(history: History, outcome: Outcome) -> None:
    hold(history, outcome, "gus", 1, 23_000)
    history.claims.pop()
    set_redis(outcome)


def an_unknown_that_landed_twice(history: History, outcome: Outcome) -> None:
    # One request without a key, its answer lost, and two orders
    for key in ("1", "2"):
        hold(history, outcome, f"gus{key}", 1, 23_000)
        claim = history.claims.pop()
        order = outcome.orders.pop(claim.rid)
        fields = {name: getattr(order, name) for name in OrderState.__struct_fields__}
        outcome.orders[claim.rid] = OrderState(**{**fields, "buyer_id": "gus"})
    ask(history, "gus", 1, 22_990, "lost").rid = ""
    set_redis(outcome)


def stock_that_came_back_twice(history: History, outcome: Outcome) -> None:
    end(outcome, "bob", "expire", 16_050)
    set_state(outcome, rid_of("bob"), "released")
    set_redis(outcome)


def a_hold_that_ended_although_it_was_paid(history: History, outcome: Outcome) -> None:
    end(outcome, "ann", "expire", 16_010)
    set_state(outcome, rid_of("ann"), "sold")
    set_redis(outcome)


def a_restock_done_twice(history: History, outcome: Outcome) -> None:
    move(outcome, None, "restock", available=3, at_ms=16_045, note="found")
    set_redis(outcome)


def a_restock_that_is_lost(history: History, outcome: Outcome) -> None:
    history.adjusts.append(Adjust(DROP, 5, "more", 16_035, True))


def counters_that_differ(history: History, outcome: Outcome) -> None:
    allotted, available, held, sold, burned = outcome.redis[DROP]
    outcome.redis[DROP] = (allotted + 1, available + 1, held, sold, burned)


def a_false_sold_out(history: History, outcome: Outcome) -> None:
    # At 12,105 bob's two units are back
    ask(history, "gus", 2, 12_105 + 220, "sold_out")


def a_buyer_over_the_limit(history: History, outcome: Outcome) -> None:
    # bob gave his two back; now he gets two and one more, with the limit at two
    for key, at_ms in (("2", 16_300), ("3", 16_310)):
        hold(history, outcome, f"bob{key}", 2 if key == "2" else 1, at_ms)
        claim = history.claims[-1]
        claim.buyer_id = "bob"
        old = outcome.orders[claim.rid]
        fields = {name: getattr(old, name) for name in OrderState.__struct_fields__}
        outcome.orders[claim.rid] = OrderState(**{**fields, "buyer_id": "bob"})
    outcome.ledger.sort(key=lambda one: one.at_ms)
    set_redis(outcome)


def another_answer_to_the_same_key(history: History, outcome: Outcome) -> None:
    claim = history.claims[0]
    claim.tries.append(Try(13_000, 13_010, "replayed"))
    claim.answers.append(Answer(claim.rid, 1, PRICE_FEN, 99_999, 13_010))


def an_answer_that_is_taken_back(history: History, outcome: Outcome) -> None:
    history.claims[0].tries.append(Try(11_300, 11_310, "sold_out"))


def a_reservation_created_twice(history: History, outcome: Outcome) -> None:
    claim = history.claims[0]
    claim.tries.append(Try(11_300, 11_310, "held"))
    claim.answers.append(claim.answers[0])


def a_sale_without_a_payment(history: History, outcome: Outcome) -> None:
    outcome.payments = [one for one in outcome.payments if one.order_id != rid_of("ann")]
    history.payments = [one for one in history.payments if one.rid != rid_of("ann")]


def a_payment_without_goods_or_refund(history: History, outcome: Outcome) -> None:
    outcome.refunds.clear()


def a_payment_that_is_lost(history: History, outcome: Outcome) -> None:
    history.payments.append(Payment("pay-x", rid_of("fay"), 100, 23_000, 23_010, "REFUND_DUE"))


def a_payment_nobody_made(history: History, outcome: Outcome) -> None:
    history.payments = [one for one in history.payments if one.result != "REFUND_DUE"]


def a_sale_before_the_opening(history: History, outcome: Outcome) -> None:
    history.drops[DROP].opens_ms = 11_005


def an_answer_that_nobody_should_get(history: History, outcome: Outcome) -> None:
    ask(history, "gus", 1, 12_000, "internal_error")


MONEY = "what is sold is paid, what is paid is goods or a refund"
FORGERIES: dict[Forgery, str] = {
    a_lost_acknowledgement: "no acknowledgement is lost",
    an_order_of_another_size: "no acknowledgement is lost",
    units_that_two_buyers_have: "nothing is sold twice",
    units_promised_that_sql_never_gave: "nothing is sold twice",
    an_order_nobody_asked_for: "no sale without a request",
    an_unknown_that_landed_twice: "no sale without a request",
    stock_that_came_back_twice: "stock comes back once",
    a_hold_that_ended_although_it_was_paid: "stock comes back once",
    a_restock_done_twice: "what the operator did is done once",
    a_restock_that_is_lost: "what the operator did is done once",
    counters_that_differ: "SQL, the ledger and Redis agree",
    a_false_sold_out: "nobody is told a false `sold out`",
    a_buyer_over_the_limit: "nobody has more than the limit",
    another_answer_to_the_same_key: "one key, one answer",
    an_answer_that_is_taken_back: "one key, one answer",
    a_reservation_created_twice: "one key, one answer",
    a_sale_without_a_payment: MONEY,
    a_payment_without_goods_or_refund: MONEY,
    a_payment_that_is_lost: MONEY,
    a_payment_nobody_made: MONEY,
    a_sale_before_the_opening: "nothing is sold before the opening",
    an_answer_that_nobody_should_get: "every answer is one the API promises",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_it_catches(forge: Forgery) -> None:
    # Given a clean history that was tampered with
    history, outcome = clean()
    forge(history, outcome)

    # Then the check of that promise says so
    assert FORGERIES[forge] in broken(history, outcome)


def test_sold_out_is_right_for_as_long_as_the_flag_may_live() -> None:
    history, outcome = clean()
    ask(history, "gus", 2, 12_105 + 190, "sold_out")
    assert broken(history, outcome) == []


def test_sold_out_is_right_when_it_is_true_at_any_time_of_the_request() -> None:
    # Given that bob's two units are there from 12,105 until nearly all of the time, but ann, bob
    # and cat have all of them when the request leaves
    history, outcome = clean()
    ask(history, "gus", 2, 11_900, "sold_out", took_ms=3_000)
    assert broken(history, outcome) == []


def test_while_the_clocks_differ_no_times_are_compared() -> None:
    history, outcome = clean()
    a_false_sold_out(history, outcome)
    history.blind.append(Blind(12_000, 13_000))
    assert broken(history, outcome) == []
