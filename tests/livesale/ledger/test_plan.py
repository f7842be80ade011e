"""The plan folds entries into rows, the same however the log is cut, and refuses contradictions."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from livesale.ledger.plan import (
    BooksStep,
    Contradiction,
    Move,
    Plan,
    StateStep,
    make_plan,
    refund_no_of,
)
from stock.books import Books
from stock.entries import Confirmed, Ended, Granted, LogEntry, Opened, Reserved, TakenBack
from stock.model import ConfirmCode, DropTerms, Fate, HoldState

DROP = "0drop"
TERMS = DropTerms(0, 9_000, 100, 5, 10, 10)
A, B, C = (f"{DROP}-{letter * 16}" for letter in "aAc")


def _reserved(number: int, books: Books, *rids: str) -> LogEntry:
    rows = tuple(Reserved(rid, "ann", 1, 10, 500) for rid in rids)
    return LogEntry(f"{number}-0", "reserve", 1, DROP, number, books, rows)


def _ended(number: int, kind: str, books: Books, rid: str) -> LogEntry:
    return LogEntry(f"{number}-0", kind, 1, DROP, number, books, (Ended(rid, "ann", 1),))


def _paid(
    number: int, books: Books, rid: str, before: HoldState, code: ConfirmCode, payment: str
) -> LogEntry:
    row = Confirmed(rid, "ann", 1, before, code, payment, 10)
    return LogEntry(f"{number}-0", "confirm", 1, DROP, number, books, (row,))


def _granted(number: int, books: Books, rid: str, before: HoldState | None) -> LogEntry:
    row = Granted(rid, "bob", 1, before, "bag 1")
    return LogEntry(f"{number}-0", "grant", 1, DROP, number, books, (row,))


def _taken_back(number: int, books: Books, rid: str, units: int = 1) -> LogEntry:
    row = TakenBack(rid, "bob", units, f"t{number}", Fate.AVAILABLE, "as new")
    return LogEntry(f"{number}-0", "take_back", 1, DROP, number, books, (row,))


OPENED = LogEntry("1-0", "open", 1, DROP, 1, Books(10, 10, 0, 0, 0), (Opened(TERMS),))
HISTORY = [
    OPENED,
    _reserved(2, Books(10, 8, 2, 0, 0), A, B),
    _ended(3, "expire", Books(10, 9, 1, 0, 0), A),
    _paid(4, Books(10, 9, 0, 1, 0), B, HoldState.HELD, ConfirmCode.SOLD, "p1"),
    _paid(5, Books(10, 8, 0, 2, 0), A, HoldState.EXPIRED, ConfirmCode.LATE_SOLD, "p2"),
    _paid(6, Books(10, 8, 0, 2, 0), B, HoldState.SOLD, ConfirmCode.REFUND_DUE, "p3"),
    _granted(7, Books(10, 7, 0, 3, 0), C, None),
    LogEntry("8-0", "close", 1, DROP, 8, Books(10, 7, 0, 3, 0)),
]


class Store:
    """What SQL would do with plans."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.rows: list[Any] = []
        self.books: Books | None = None
        self.state = "opening"

    def carry_out(self, plan: Plan) -> None:
        for step in plan.books.values():
            assert step.before == self.books
            self.books = step.after
        for change in plan.states.values():
            assert self.state in change.before
            self.state = change.after
        self.orders |= {rid: dict(row) for rid, row in plan.orders.items()}
        for (before, after, at_ms), rids in plan.moves_by_kind().items():
            for rid in rids:
                assert self.orders[rid]["state"] == before
                self.orders[rid] |= {"state": after, "updated_ms": at_ms}
        self.rows += [*plan.ledger, *plan.payments, *plan.refunds]

    def contents(self) -> tuple[Any, ...]:
        return self.orders, sorted(map(repr, self.rows)), self.books, self.state


def _written(batches: Sequence[Sequence[LogEntry]]) -> tuple[Any, ...]:
    store = Store()
    for batch in batches:
        store.carry_out(make_plan(3, batch))
    return store.contents()


def test_a_batch_is_folded_before_it_is_written() -> None:
    # given a history in one batch, when it is planned
    plan = make_plan(3, HISTORY)
    # then each order is one insert in its last state, and nothing is moved
    assert {rid: (row["state"], row["updated_ms"]) for rid, row in plan.orders.items()} == {
        A: ("sold", 5),
        B: ("sold", 6),
        C: ("sold", 7),
    }
    assert plan.moves == {}
    assert plan.books == {DROP: BooksStep(None, Books(10, 7, 0, 3, 0))}
    assert plan.states == {DROP: StateStep(("draft", "opening"), "closed")}
    assert [row["kind"] for row in plan.ledger] == [
        *("open", "reserve", "reserve", "expire", "confirm", "late_confirm", "grant")
    ]
    assert [row["result"] for row in plan.payments] == ["sold", "late_sold", "refund_due"]
    assert [(row["refund_no"], row["state"]) for row in plan.refunds] == [
        (refund_no_of("p3"), "due")
    ]
    assert plan.rows == 3 + 7 + 1 + 1 + 3 + 1


def test_a_grant_is_an_order_without_a_payment() -> None:
    # given a grant from stock, and one of a hold, when they are planned
    left, given = Books(10, 9, 0, 1, 0), Books(10, 9, 1, 0, 0)
    plan = make_plan(3, [OPENED, _granted(2, left, C, None)])
    # then the unit is sold for nothing, and the ledger says what it was given for
    order = plan.orders[C]
    assert (order["state"], order["price_fen"], order["amount_fen"]) == ("sold", 0, 0)
    assert (order["created_ms"], order["expires_ms"]) == (2, 2)
    row = plan.ledger[-1]
    assert (row["kind"], row["available"], row["sold"], row["note"]) == ("grant", -1, 1, "bag 1")
    assert plan.payments == []
    plan = make_plan(3, [_granted(3, Books(10, 9, 0, 1, 0), A, HoldState.HELD)])
    assert plan.moves == {A: Move("held", "sold", 3)}
    assert plan.books == {DROP: BooksStep(given, left)}
    assert (plan.ledger[0]["held"], plan.ledger[0]["sold"]) == (-1, 1)


def test_what_stood_before_the_batch_is_a_condition() -> None:
    # given the end of a history, when it is planned
    plan = make_plan(3, HISTORY[2:6])
    # then the states and books before it must be found, and the last ones are written
    assert plan.orders == {}
    assert plan.moves == {A: Move("held", "sold", 5), B: Move("held", "sold", 6)}
    assert plan.books == {DROP: BooksStep(Books(10, 8, 2, 0, 0), Books(10, 8, 0, 2, 0))}


def test_however_the_log_is_cut_the_same_rows_come_out() -> None:
    # given the history written entry by entry
    one_by_one = _written([[entry] for entry in HISTORY])
    chance = random.Random(4)
    for _ in range(50):
        # when it is cut in another way
        cuts = sorted(chance.sample(range(1, len(HISTORY)), chance.randrange(len(HISTORY) - 1)))
        batches = [
            HISTORY[start:end] for start, end in zip([0, *cuts], [*cuts, len(HISTORY)], strict=True)
        ]
        # then the rows are the same
        assert _written(batches) == one_by_one


def test_known_drift_shifts_the_books() -> None:
    # given SQL whose books lack a reservation of 2 units that Redis has
    drift = {DROP: Books(0, 2, -2, 0, 0)}
    # when an entry is planned, then SQL's books are moved from what SQL has
    plan = make_plan(3, [HISTORY[2]], drift)
    assert plan.books == {DROP: BooksStep(Books(10, 10, 0, 0, 0), Books(10, 11, -1, 0, 0))}


def test_what_comes_back_leaves_the_order_sold() -> None:
    # given a unit that comes back, alone and in the batch of its grant, when it is planned
    plan = make_plan(3, [_taken_back(8, Books(10, 8, 0, 2, 0), C)])
    # then the order must be sold, and the ledger has the unit, its id and the reason
    assert plan.moves == {C: Move("sold", "sold", 8)}
    assert plan.books == {DROP: BooksStep(Books(10, 7, 0, 3, 0), Books(10, 8, 0, 2, 0))}
    (row,) = plan.ledger
    assert (row["kind"], row["available"], row["sold"]) == ("take_back", 1, -1)
    assert (row["adjust_id"], row["note"]) == ("t8", "as new")
    plan = make_plan(3, [HISTORY[6], _taken_back(8, Books(10, 8, 0, 2, 0), C)])
    assert (plan.orders[C]["state"], plan.orders[C]["updated_ms"]) == ("sold", 8)


@pytest.mark.parametrize(
    "entries",
    [
        [OPENED, OPENED],
        [OPENED, _reserved(2, Books(10, 7, 3, 0, 0), A)],
        [HISTORY[1], _reserved(3, Books(10, 6, 4, 0, 0), A, B)],
        [HISTORY[2], _ended(4, "release", Books(10, 10, 0, 0, 0), A)],
        [_paid(4, Books(10, 9, 0, 1, 0), B, HoldState.EXPIRED, ConfirmCode.SOLD, "p1")],
        [_paid(4, Books(10, 9, 0, 1, 0), B, HoldState.HELD, ConfirmCode.LATE_SOLD, "p1")],
        [HISTORY[7], LogEntry("9-0", "pause", 1, DROP, 9, Books(10, 7, 0, 3, 0))],
        [HISTORY[1], _granted(3, Books(10, 7, 2, 1, 0), A, None)],
        [HISTORY[6], _granted(8, Books(10, 7, -1, 4, 0), C, HoldState.HELD)],
        [HISTORY[2], _taken_back(4, Books(10, 10, 1, -1, 0), A)],
    ],
    ids=[
        "opened twice",
        "books that do not follow",
        "reserved twice",
        "ended twice",
        "sold what was not held",
        "sold late what was held",
        "paused after it closed",
        "granted what was reserved",
        "granted a hold that was granted",
        "took back what was not sold",
    ],
)
def test_contradictions_are_refused(entries: list[LogEntry]) -> None:
    # given entries that contradict each other, when they are planned, then the plan says so
    with pytest.raises(Contradiction):
        make_plan(3, entries)
