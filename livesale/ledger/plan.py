"""The changes of a batch of log entries in SQL, computed in memory first. No I/O.

An order that is reserved and paid within one batch is one insert; many holds that expire together
are one update. The plan names the state before and after, so SQL refuses a batch that does not
match its rows. It depends only on the entries: any split into batches gives the same rows.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from livesale.errors import LivesaleError
from livesale.ledger.line_plan import LinePlan, add_line
from livesale.ledger.states import DRAFT, OPENING
from stock.books import Books
from stock.entries import (
    ENDED_AS,
    Adjusted,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Reserved,
    TakenBack,
    drop_state_after,
    movements,
)
from stock.ids import id_key
from stock.model import ConfirmCode, DropState, HoldState, Reservation

MAX_NOTE = 300

Row = dict[str, Any]  # a row of a table, by column

STATES_BEFORE = {
    "open": (DRAFT, OPENING),
    "pause": (DropState.OPEN.value,),
    "resume": (DropState.PAUSED.value,),
    "close": (DropState.OPEN.value, DropState.PAUSED.value),
}
_NO_DRIFT = Books()


class Contradiction(LivesaleError):
    """An entry contradicts SQL or the entries before it."""


class Move(Struct):
    """An order's state before and after a batch, and when it last changed."""

    before: str
    after: str
    at_ms: int


class BooksStep(Struct):
    """The books before and after a batch; `before` is None if the batch opens the drop."""

    before: Books | None
    after: Books


class StateStep(Struct):
    """The allowed states of a drop before a batch, and its state after."""

    before: tuple[str, ...]
    after: str


class Plan(Struct):
    orders: dict[str, Row] = field(default_factory=dict)
    moves: dict[str, Move] = field(default_factory=dict)
    ledger: list[Row] = field(default_factory=list)
    books: dict[str, BooksStep] = field(default_factory=dict)
    states: dict[str, StateStep] = field(default_factory=dict)
    payments: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    lines: LinePlan = field(default_factory=LinePlan)

    @property
    def rows(self) -> int:
        """Rows to insert or change."""
        hot = len(self.orders) + len(self.moves) + len(self.ledger)
        money = len(self.payments) + len(self.refunds)
        return hot + len(self.books) + len(self.states) + money + self.lines.rows

    def moves_by_kind(self) -> dict[tuple[str, str, int], list[str]]:
        """Order ids by (state before, state after, at_ms): each group is one UPDATE.

        Under load many entries share a millisecond, and all orders of an `expire` entry have one
        time, so the groups are large when it matters.
        """
        groups: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        for order_id, move in self.moves.items():
            groups[move.before, move.after, move.at_ms].append(order_id)
        return groups


def make_plan(
    partition: int, entries: Sequence[LogEntry], drift: Mapping[str, Books] | None = None
) -> Plan:
    """Fold entries into one plan.

    `drift` is the known difference of a drop's books (SQL minus log).
    Raises Contradiction when the entries contradict each other.
    """
    plan = Plan()
    for entry in entries:
        _add_books(plan, entry, (drift or {}).get(entry.drop_id, _NO_DRIFT))
        _add_state(plan, entry)
        _add_ledger(plan, partition, entry)
        fault = add_line(plan.lines, entry)
        if fault:
            raise Contradiction(f"{entry.id}: {entry.kind} of {entry.drop_id}: {fault}")
        for row in entry.rows:
            match row:
                case Reserved():
                    _add_order(plan, entry, row.reservation())
                case Granted(before=None):
                    _add_order(plan, entry, row.reservation(entry.at_ms))
                case Granted():
                    _move(plan, entry, row.rid, HoldState.HELD, HoldState.SOLD)
                case TakenBack():  # the order stays sold: the ledger has the units
                    _move(plan, entry, row.rid, HoldState.SOLD, HoldState.SOLD)
                case Ended():
                    _move(plan, entry, row.rid, HoldState.HELD, ENDED_AS[entry.kind])
                case Confirmed():
                    _add_payment(plan, entry, row)
    return plan


def refund_no_of(payment_id: str) -> str:
    """The number of a payment's only refund: always the same, 33 characters."""
    return "r" + hashlib.blake2b(payment_id.encode(), digest_size=16).hexdigest()


def books_before(entry: LogEntry) -> Books:
    """The books before an entry, computed from the entry."""
    before = entry.books
    for m in movements(entry):
        before = Books(
            allotted=before.allotted - m.allotted,
            available=before.available - m.available,
            held=before.held - m.held,
            sold=before.sold - m.sold,
            burned=before.burned - m.burned,
        )
    return before


def shift(books: Books, by: Books, sign: int = 1) -> Books:
    """`books` plus (or, with sign −1, minus) `by`, counter by counter."""
    return Books(
        allotted=books.allotted + sign * by.allotted,
        available=books.available + sign * by.available,
        held=books.held + sign * by.held,
        sold=books.sold + sign * by.sold,
        burned=books.burned + sign * by.burned,
    )


def _add_books(plan: Plan, entry: LogEntry, drift: Books) -> None:
    before, after = shift(books_before(entry), drift), shift(entry.books, drift)
    step = plan.books.get(entry.drop_id)
    if entry.kind == "open":
        if step is not None or before != Books():
            raise Contradiction(f"{entry.id}: {entry.drop_id} is opened twice")
        plan.books[entry.drop_id] = BooksStep(None, after)
    elif step is None:
        plan.books[entry.drop_id] = BooksStep(before, after)
    elif step.after != before:
        raise Contradiction(f"{entry.id}: continues from {before}, the entry before ends at {step}")
    else:
        step.after = after


def _add_state(plan: Plan, entry: LogEntry) -> None:
    after = drop_state_after(entry)
    if after is None:
        return
    allowed = STATES_BEFORE[entry.kind]
    step = plan.states.get(entry.drop_id)
    if step is None:
        plan.states[entry.drop_id] = StateStep(allowed, after.value)
    elif step.after not in allowed:
        raise Contradiction(f"{entry.id}: {entry.kind} of a drop that is {step.after}")
    else:
        step.after = after.value


def _add_ledger(plan: Plan, partition: int, entry: LogEntry) -> None:
    log_ms, log_seq = id_key(entry.id)
    first = entry.rows[0] if entry.rows else None
    note = first.source if isinstance(first, Granted) else None
    note = first.reason[:MAX_NOTE] if isinstance(first, Adjusted) else note
    adjust_id = first.adjust_id if isinstance(first, Adjusted) else None
    if isinstance(first, TakenBack):
        note, adjust_id = first.reason[:MAX_NOTE], first.take_id
    for number, movement in enumerate(movements(entry)):
        plan.ledger.append(
            {
                "partition": partition,
                "log_ms": log_ms,
                "log_seq": log_seq,
                "row": number,
                "drop_id": entry.drop_id,
                "order_id": movement.rid,
                "kind": movement.kind,
                "available": movement.available,
                "held": movement.held,
                "sold": movement.sold,
                "burned": movement.burned,
                "at_ms": entry.at_ms,
                "note": note,
                "adjust_id": adjust_id,
            }
        )


def _add_order(plan: Plan, entry: LogEntry, new: Reservation) -> None:
    if new.rid in plan.orders or new.rid in plan.moves:
        raise Contradiction(f"{entry.id}: {new.rid} is reserved twice")
    plan.orders[new.rid] = {
        "order_id": new.rid,
        "drop_id": entry.drop_id,
        "buyer_id": new.buyer_id,
        "quantity": new.quantity,
        "price_fen": new.price_fen,
        "amount_fen": new.amount_fen,
        "state": new.state.value,
        "expires_ms": new.expires_ms,
        "created_ms": entry.at_ms,
        "updated_ms": entry.at_ms,
    }


def _move(plan: Plan, entry: LogEntry, rid: str, before: HoldState, after: HoldState) -> None:
    order, move = plan.orders.get(rid), plan.moves.get(rid)
    now = order["state"] if order else move.after if move else before.value
    if now != before.value:
        raise Contradiction(f"{entry.id}: {rid} is {now}, the entry says {before.value}")
    if order:
        order["state"], order["updated_ms"] = after.value, entry.at_ms
    elif move:
        move.after, move.at_ms = after.value, entry.at_ms
    else:
        plan.moves[rid] = Move(before.value, after.value, entry.at_ms)


def _add_payment(plan: Plan, entry: LogEntry, row: Confirmed) -> None:
    refused = row.code is ConfirmCode.REFUND_DUE
    if (row.code is ConfirmCode.SOLD) != (row.before is HoldState.HELD):
        raise Contradiction(f"{entry.id}: {row.code} of an order that was {row.before}")
    # A refundable payment changes no state, but the order must have the entry's state.
    _move(plan, entry, row.rid, row.before, row.before if refused else HoldState.SOLD)
    payment = {
        "payment_id": row.payment_id,
        "order_id": row.rid,
        "amount_fen": row.amount_fen,
        "result": row.code.value.lower(),
        "created_ms": entry.at_ms,
        "back_fen": row.amount_fen if refused else 0,
    }
    plan.payments.append(payment)
    if refused:
        plan.refunds.append(
            {
                "refund_no": refund_no_of(row.payment_id),
                "payment_id": row.payment_id,
                "order_id": row.rid,
                "amount_fen": row.amount_fen,
                "state": "due",
                "reason": "paid_twice" if row.before is HoldState.SOLD else "too_late",
                "created_ms": entry.at_ms,
                "updated_ms": entry.at_ms,
            }
        )
