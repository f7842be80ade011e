"""The entries of the log as types, and their codec. No I/O.

An entry is what one script call changed, appended in the same atomic step. Its fields in Redis:
v version, k kind, e epoch, d drop_id, t ms, b books after (`allotted|available|held|sold|burned`),
r rows joined by `;` with columns joined by `|`; a `reserve` adds p price_fen and x expires_ms.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from stock.books import Books, Movement
from stock.errors import LogCorrupt
from stock.ids import drop_of, is_buyer_id, is_drop_id, is_payment_id, is_rid
from stock.model import ConfirmCode, DropState, DropTerms, HoldState, Reservation
from stock.records import STATE_OF_LETTER

VERSION = "1"


class Opened(Struct, frozen=True):
    terms: DropTerms


class Reserved(Struct, frozen=True, gc=False):
    rid: str
    buyer_id: str
    quantity: int
    price_fen: int
    expires_ms: int

    def reservation(self) -> Reservation:
        return Reservation(
            self.rid, HoldState.HELD, self.buyer_id, self.quantity, self.price_fen, self.expires_ms
        )


class Confirmed(Struct, frozen=True, gc=False):
    rid: str
    buyer_id: str
    quantity: int
    before: HoldState
    code: ConfirmCode  # SOLD, LATE_SOLD or REFUND_DUE
    payment_id: str
    amount_fen: int


class Ended(Struct, frozen=True, gc=False):
    """A hold that was released or expired, by the kind of the entry."""

    rid: str
    buyer_id: str
    quantity: int


class Adjusted(Struct, frozen=True, gc=False):
    adjust_id: str
    delta: int
    reason: str


Row = Opened | Reserved | Confirmed | Ended | Adjusted


class LogEntry(Struct, frozen=True):
    id: str
    kind: str
    epoch: int
    drop_id: str
    at_ms: int
    books: Books
    rows: tuple[Row, ...] = ()


STATE_CHANGES = {  # by the entry's kind
    "open": DropState.OPEN,
    "pause": DropState.PAUSED,
    "resume": DropState.OPEN,
    "close": DropState.CLOSED,
}
ENDED_AS = {"release": HoldState.RELEASED, "expire": HoldState.EXPIRED}  # by the entry's kind
_LOGGED_CONFIRMS = {ConfirmCode.SOLD, ConfirmCode.LATE_SOLD, ConfirmCode.REFUND_DUE}


def drop_state_after(entry: LogEntry) -> DropState | None:
    """The state an entry moves its drop to, if it moves it."""
    return STATE_CHANGES.get(entry.kind)


def movements(entry: LogEntry) -> list[Movement]:
    """The stock movements of an entry, in order. Rows that move no stock give none."""
    moved: list[Movement] = []
    for row in entry.rows:
        match row:
            case Reserved(rid=rid, quantity=n):
                moved.append(Movement("reserve", rid, available=-n, held=n))
            case Ended(rid=rid, quantity=n):
                moved.append(Movement(entry.kind, rid, available=n, held=-n))
            case Confirmed(rid=rid, quantity=n, code=ConfirmCode.SOLD):
                moved.append(Movement("confirm", rid, held=-n, sold=n))
            case Confirmed(rid=rid, quantity=n, code=ConfirmCode.LATE_SOLD):
                moved.append(Movement("late_confirm", rid, available=-n, sold=n))
            case Opened(terms=terms):
                moved.append(Movement("open", available=terms.allotted))
            case Adjusted(delta=delta) if delta > 0:
                moved.append(Movement("restock", available=delta))
            case Adjusted(delta=delta):
                moved.append(Movement("scrap", available=delta, burned=-delta))
            case Confirmed():
                pass  # REFUND_DUE moves money, not stock
    return moved


def decode(entry_id: str, fields: Mapping[str, str]) -> LogEntry:
    """Read an entry as Redis holds it.

    Raises LogCorrupt with the reason for anything that no script of ours would have written.
    """
    try:
        if fields["v"] != VERSION:
            raise ValueError(f"version {fields['v']!r}, this reader knows {VERSION}")
        drop_id = fields["d"]
        if not is_drop_id(drop_id):
            raise ValueError(f"not a drop id: {drop_id!r}")
        counters = [int(part) for part in fields["b"].split("|")]
        books = Books(*counters)
        if len(counters) != 5 or not books.balanced:
            raise ValueError(f"books do not balance: {fields['b']!r}")
        entry = LogEntry(
            id=entry_id,
            kind=fields["k"],
            epoch=int(fields["e"]),
            drop_id=drop_id,
            at_ms=int(fields["t"]),
            books=books,
            rows=tuple(_rows(fields)),
        )
        for row in entry.rows:
            if isinstance(row, Reserved | Confirmed | Ended):
                _check_claim(drop_id, row)
    except KeyError as missing:
        raise LogCorrupt(f"{entry_id}: no {missing}") from missing
    except (ValueError, TypeError) as why:
        raise LogCorrupt(f"{entry_id}: {why}") from why
    return entry


def read_books(entry_id: str, fields: Mapping[str, str]) -> Books:
    """The books after an entry, without its rows: for those who only count. Raises LogCorrupt."""
    try:
        counters = [int(part) for part in fields["b"].split("|")]
        books = Books(*counters)
    except (KeyError, ValueError, TypeError) as why:
        raise LogCorrupt(f"{entry_id}: no books: {why}") from why
    if len(counters) != 5 or not books.balanced:
        raise LogCorrupt(f"{entry_id}: books do not balance: {fields['b']!r}")
    return books


def _rows(fields: Mapping[str, str]) -> list[Row]:
    kind, text = fields["k"], fields["r"]
    rows = [row.split("|") for row in text.split(";")] if text else []
    if kind == "reserve":
        price_fen, expires_ms = int(fields["p"]), int(fields["x"])
        found: list[Row] = [Reserved(a, b, int(n), price_fen, expires_ms) for a, b, n in rows]
    elif kind in ENDED_AS:
        found = [Ended(rid, buyer_id, int(n)) for rid, buyer_id, n in rows]
    elif kind == "confirm":
        found = [_confirmed(row) for row in rows]
    elif kind == "open":
        found = [Opened(_terms([int(column) for column in row])) for row in rows]
    elif kind == "adjust":
        found = [Adjusted(adjust_id, int(n), unquote(why)) for adjust_id, n, why in rows]
    elif kind in ("pause", "resume", "close"):
        if rows:
            raise ValueError(f"{kind} carries no rows, but here are {len(rows)}")
        return []
    else:
        raise ValueError(f"unknown kind {kind!r}")
    if not found:
        raise ValueError(f"{kind} without rows")
    return found


def _terms(columns: list[int]) -> DropTerms:
    seven: Any = columns[:7]
    if len(columns) > 8 or columns[7:] not in ([], [1]):
        raise ValueError(f"not the terms of a drop: {columns}")
    terms = DropTerms(*seven)
    # The eighth column is written only for a drop that sells by tickets.
    return replace(terms, ticket_required=True) if columns[7:] else terms


def _confirmed(row: list[str]) -> Confirmed:
    rid, buyer_id, quantity, before, code, payment_id, amount_fen = row
    confirmed = Confirmed(
        rid,
        buyer_id,
        int(quantity),
        STATE_OF_LETTER[before],
        ConfirmCode(code),
        payment_id,
        int(amount_fen),
    )
    if confirmed.code not in _LOGGED_CONFIRMS or not is_payment_id(payment_id):
        raise ValueError(f"not a confirm: {'|'.join(row)}")
    return confirmed


def _check_claim(drop_id: str, row: Reserved | Confirmed | Ended) -> None:
    if not is_rid(row.rid) or drop_of(row.rid) != drop_id:
        raise ValueError(f"not a reservation of {drop_id}: {row.rid!r}")
    if not is_buyer_id(row.buyer_id) or row.quantity < 1:
        raise ValueError(f"no buyer with a quantity: {row.buyer_id!r}, {row.quantity}")
