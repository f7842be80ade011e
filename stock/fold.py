"""The fold of the log into books and reservations (I2). No I/O."""

from msgspec.structs import replace

from stock.books import Books
from stock.entries import (
    ENDED_AS,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Reserved,
    TakenBack,
    drop_state_after,
    movements,
)
from stock.line.fold import LineFold
from stock.line.rows import LineRow
from stock.model import ConfirmCode, DropState, HoldState, Reservation


class Fold:
    """The state that results from a log. Folding it from the start gives Redis's state."""

    def __init__(self) -> None:
        self.books: dict[str, Books] = {}
        self.states: dict[str, DropState] = {}
        self.reservations: dict[str, Reservation] = {}
        self.taken: dict[str, int] = {}  # by rid: units that came back
        self.lines = LineFold()

    def apply(self, entry: LogEntry) -> None:
        """Add one entry, completely or not at all.

        Raises ValueError if it contradicts the state, and KeyError if it names a reservation that
        is not in the log so far.
        """
        books = self.books.get(entry.drop_id, Books())
        for movement in movements(entry):
            books = books.plus(movement)
        if books != entry.books:
            raise ValueError(f"{entry.id}: folds to {books}, but the entry says {entry.books}")
        changed: dict[str, Reservation] = {}
        taken: dict[str, int] = {}
        for row in entry.rows:
            match row:
                case Reserved(rid=rid):
                    if rid in self.reservations or rid in changed:
                        raise ValueError(f"{entry.id}: {rid} is reserved twice")
                    changed[rid] = row.reservation()
                case Ended(rid=rid):
                    before = changed.get(rid) or self.reservations[rid]
                    changed[rid] = _ended(entry, before)
                case Confirmed(rid=rid):
                    before = changed.get(rid) or self.reservations[rid]
                    changed[rid] = _confirmed(entry, row, before)
                case Granted(rid=rid):
                    known = changed.get(rid) or self.reservations.get(rid)
                    changed[rid] = _granted(entry, row, known)
                case TakenBack(rid=rid):
                    before = changed.get(rid) or self.reservations[rid]
                    taken[rid] = taken.get(rid, self.taken.get(rid, 0)) + row.quantity
                    _check_taken(entry, before, taken[rid])
        line_rows = [row for row in entry.rows if isinstance(row, LineRow)]
        if line_rows:
            self.lines.apply(entry.id, entry.drop_id, entry.at_ms, line_rows)
        self.reservations.update(changed)
        self.taken.update(taken)
        self.books[entry.drop_id] = books
        state = drop_state_after(entry)
        if state is not None:
            self.states[entry.drop_id] = state


def _ended(entry: LogEntry, before: Reservation) -> Reservation:
    if before.state is not HoldState.HELD:
        raise ValueError(f"{entry.id}: {before.rid} ends twice, it was {before.state}")
    return replace(before, state=ENDED_AS[entry.kind])


def _granted(entry: LogEntry, row: Granted, before: Reservation | None) -> Reservation:
    state = before.state if before else None
    if state is not row.before:
        raise ValueError(f"{entry.id}: {row.rid} was {state}, not {row.before}")
    return replace(before, state=HoldState.SOLD) if before else row.reservation(entry.at_ms)


def _check_taken(entry: LogEntry, before: Reservation, taken: int) -> None:
    if before.state is not HoldState.SOLD:
        raise ValueError(f"{entry.id}: {before.rid} comes back, it was {before.state}")
    if taken > before.quantity:
        raise ValueError(f"{entry.id}: {taken} of {before.quantity} of {before.rid} came back")


def _confirmed(entry: LogEntry, row: Confirmed, before: Reservation) -> Reservation:
    if before.state is not row.before:
        raise ValueError(f"{entry.id}: {row.rid} was {before.state}, not {row.before}")
    if row.code is ConfirmCode.REFUND_DUE:
        return replace(before, refunds=(*before.refunds, row.payment_id))
    return replace(before, state=HoldState.SOLD, paid_by=row.payment_id)
