"""The entries of the log as types, and their codec. No I/O.

An entry records the changes of one script call, in the same atomic step. Its fields in Redis:
v version, k kind, e epoch, d drop_id, t ms, b books after (`allotted|available|held|sold|burned`),
r rows joined by `;` with columns joined by `|`; a `reserve` adds p price_fen and x expires_ms, a
`grant` adds s source. A `take_back` has one row, for units that came back. The rows of lines are in
`stock.line.rows`; a `line_hold` is a `reserve` and the turns that it follows from, in one entry.

Entries that a later version may write, and corrupt ones:

- Every version writes v, a positive integer, and with v=1 the kind k, a lower-case word.
- With v=1 a later version may add kinds, fields, columns at the end of a row, codes, letters of
  states, and counters at the end of the books. Everything else, such as the form of an id or the
  meaning of a column, needs a higher v.
- An entry that a later version may have written is LogTooNew: a reader stops before it, because it
  cannot know the entry's effect on orders and stock.
- An entry that no version can have written is LogCorrupt: written by hand, or a defect.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from stock.books import Books, Movement
from stock.errors import LogCorrupt, LogTooNew
from stock.ids import drop_of, is_buyer_id, is_drop_id, is_payment_id, is_rid
from stock.line import rows as line_rows
from stock.line.model import LineMode
from stock.line.rows import LineRow
from stock.model import ConfirmCode, DropState, DropTerms, Fate, HoldState, Reservation
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


class Granted(Struct, frozen=True, gc=False):
    """Units given without payment: from stock (`before` is None) or from a hold."""

    rid: str
    buyer_id: str
    quantity: int
    before: HoldState | None
    source: str

    def reservation(self, at_ms: int) -> Reservation:
        return Reservation(self.rid, HoldState.SOLD, self.buyer_id, self.quantity, 0, at_ms)


class Ended(Struct, frozen=True, gc=False):
    """A hold that was released or expired, as the entry's kind says."""

    rid: str
    buyer_id: str
    quantity: int


class TakenBack(Struct, frozen=True, gc=False):
    """Units of a sold reservation that came back."""

    rid: str
    buyer_id: str
    quantity: int
    take_id: str
    fate: Fate
    reason: str


class Adjusted(Struct, frozen=True, gc=False):
    adjust_id: str
    delta: int
    reason: str


Claiming = Reserved | Confirmed | Granted | Ended | TakenBack  # rows about one reservation
Row = Opened | Claiming | Adjusted | LineRow


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

COLUMNS = {  # maximum of columns in a row, by the entry's kind
    "open": 10,
    "reserve": 3,
    "confirm": 7,
    "grant": 4,
    "release": 3,
    "expire": 3,
    "adjust": 3,
    "take_back": 6,
    "pause": 0,
    "resume": 0,
    "close": 0,
    line_rows.HOLD: 3,
    **line_rows.COLUMNS,
}
KINDS = COLUMNS.keys()
_NAMES = ("v", "k", "e", "d", "t", "b", "r")
_EXTRA = {
    "reserve": ("p", "x"),
    "grant": ("s",),
    line_rows.HOLD: line_rows.HOLD_EXTRA,
    **line_rows.EXTRA,
}  # additional fields, by the entry's kind
_GRANTED_FROM = {"-": None, "h": HoldState.HELD}

_FATES = frozenset(Fate)
_MODES = frozenset(LineMode)

_VERSION = re.compile(r"[1-9][0-9]{0,8}").fullmatch
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}").fullmatch  # a kind, or the name of a field
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,31}").fullmatch
_LETTER = re.compile(r"[a-z]").fullmatch
_INTEGER = re.compile(r"-?[0-9]{1,18}").fullmatch
_TEXT = re.compile(r"[ -~]*").fullmatch  # scripts write only printable ASCII


def drop_state_after(entry: LogEntry) -> DropState | None:
    """The drop's state after an entry, if the entry changes it."""
    return STATE_CHANGES.get(entry.kind)


def begins(row: Row) -> bool:
    """Whether a row creates a reservation."""
    return isinstance(row, Reserved) or (isinstance(row, Granted) and row.before is None)


def movements(entry: LogEntry) -> list[Movement]:
    """The stock movements of an entry, in order. Skips rows that move no stock."""
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
            case Granted(rid=rid, quantity=n, before=None):
                moved.append(Movement("grant", rid, available=-n, sold=n))
            case Granted(rid=rid, quantity=n):
                moved.append(Movement("grant", rid, held=-n, sold=n))
            case TakenBack(rid=rid, quantity=n, fate=Fate.AVAILABLE):
                moved.append(Movement("take_back", rid, available=n, sold=-n))
            case TakenBack(rid=rid, quantity=n):
                moved.append(Movement("take_back", rid, sold=-n, burned=n))
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
    """Decode an entry from Redis.

    Raises LogTooNew if a later version may have written it, LogCorrupt if no version can have; both
    texts begin with the entry's id and say why.
    """
    try:
        return _decode(entry_id, fields)
    except (KeyError, ValueError, TypeError) as why:
        later = _later(entry_id, fields)
        if later:
            raise LogTooNew(f"{entry_id}: {later}") from why
        reason = f"no {why}" if isinstance(why, KeyError) else str(why)
        raise LogCorrupt(f"{entry_id}: {reason}") from why


def why_too_new(entry_id: str, fields: Mapping[str, str]) -> str:
    """What of an entry only a later version can have written, or nothing."""
    try:
        decode(entry_id, fields)
    except LogTooNew as end:
        return str(end)
    except LogCorrupt:
        pass
    return ""


def is_known(fields: Mapping[str, str]) -> bool:
    """Whether this reader knows the version and the kind of an entry."""
    return fields.get("v") == VERSION and fields.get("k") in KINDS


def _decode(entry_id: str, fields: Mapping[str, str]) -> LogEntry:
    if fields["v"] != VERSION:
        raise ValueError(f"version {fields['v']!r}, this reader knows {VERSION}")
    drop_id = fields["d"]
    if not is_drop_id(drop_id):
        raise ValueError(f"not a drop id: {drop_id!r}")
    entry = LogEntry(
        id=entry_id,
        kind=fields["k"],
        epoch=int(fields["e"]),
        drop_id=drop_id,
        at_ms=int(fields["t"]),
        books=_books(fields["b"]),
        rows=tuple(_rows(fields)),
    )
    if len(fields) != len(_NAMES) + len(_EXTRA.get(entry.kind, ())):
        raise ValueError(f"a {entry.kind} with the fields {', '.join(map(repr, fields))}")
    for row in entry.rows:
        if isinstance(row, Claiming):
            _check_claim(drop_id, row)
    return entry


def read_books(entry_id: str, fields: Mapping[str, str]) -> Books:
    """The books after an entry, without decoding its rows.

    Raises LogTooNew or LogCorrupt, like `decode`.
    """
    if not is_known(fields):
        return decode(entry_id, fields).books  # raises, with the reason
    try:
        return _books(fields["b"])
    except (KeyError, ValueError, TypeError):
        return decode(entry_id, fields).books


def _books(text: str) -> Books:
    counters = [int(part) for part in text.split("|")]
    books = Books(*counters)
    if len(counters) != 5 or not books.balanced:
        raise ValueError(f"books do not balance: {text!r}")
    return books


def _later(entry_id: str, fields: Mapping[str, str]) -> str:
    """What of an entry only a later version can have written, or nothing.

    Removes the unknown parts; the rest must be an entry of this version.
    """
    version, kind = fields.get("v", ""), fields.get("k", "")
    if not _VERSION(version):
        return ""
    if version != VERSION:
        return f"version {version}, this reader knows {VERSION}"
    if kind not in KINDS:
        return f"kind {kind!r}, which this reader does not know" if _WORD(kind) else ""
    known: dict[str, str] = {}
    strange: list[str] = []
    for name, value in fields.items():
        if name in _NAMES or name in _EXTRA.get(kind, ()):
            known[name] = value
        elif _WORD(name) and _TEXT(value):
            strange.append(f"field {name!r}")
        else:
            return ""
    counters = known.get("b", "").split("|")
    if len(counters) > len(Books.__struct_fields__) and all(map(_INTEGER, counters)):
        strange.append(f"{len(counters)} counters")
        known["b"] = "0|0|0|0|0"
    text = known.get("r", "")
    rows = [row.split("|") for row in text.split(";")] if text else []
    known["r"] = ";".join("|".join(_known_columns(kind, row, strange)) for row in rows)
    if not COLUMNS[kind] and strange:
        known["r"] = ""
    if not strange:
        return ""
    try:
        _decode(entry_id, known)
    except (KeyError, ValueError, TypeError):
        return ""
    return f"a {kind} with {', '.join(dict.fromkeys(strange))}, which this reader does not know"


def _known_columns(kind: str, row: list[str], strange: list[str]) -> list[str]:
    """A row without unknown parts, which are added to `strange`."""
    most = COLUMNS[kind]
    if kind == "open":
        most = _columns_of_open(row)
    if len(row) > most and all(map(_TEXT, row)):
        strange.append(f"{len(row)} columns")
        row = row[:most]
    if kind == "confirm" and len(row) == most:
        before, code = row[3], row[4]
        if before not in STATE_OF_LETTER and _LETTER(before):
            strange.append(f"state {before!r}")
            row[3] = "h"
        if code not in _LOGGED_CONFIRMS and _CODE(code):
            strange.append(f"code {code!r}")
            row[4] = ConfirmCode.SOLD
    if kind == "grant" and len(row) == most and row[3] not in _GRANTED_FROM and _LETTER(row[3]):
        strange.append(f"state {row[3]!r}")
        row[3] = "-"
    if kind == "line_open" and len(row) == most and row[4] not in _MODES and _WORD(row[4]):
        strange.append(f"mode {row[4]!r}")
        row[4] = LineMode.DRAW
    if kind == "line_end" and row[0] not in line_rows.ENDS and _WORD(row[0]):
        strange.append(f"end {row[0]!r}")
        row[0] = line_rows.ENDS[0]
    if kind == "take_back" and len(row) == most and row[4] not in _FATES and _LETTER(row[4]):
        strange.append(f"fate {row[4]!r}")
        row[4] = Fate.AVAILABLE
    return row


def _columns_of_open(row: list[str]) -> int:
    """How many of an opening's columns this version knows."""
    ticket, campaign = row[7:8], row[8:10]
    if ticket == ["1"] and not campaign:
        return 8
    is_campaign = len(campaign) == 2 and is_drop_id(campaign[0]) and _INTEGER(campaign[1])
    return 10 if ticket in (["0"], ["1"]) and is_campaign else 7


def _rows(fields: Mapping[str, str]) -> list[Row]:
    kind, text = fields["k"], fields["r"]
    rows = [row.split("|") for row in text.split(";")] if text else []
    if kind in ("reserve", line_rows.HOLD):
        price_fen, expires_ms = int(fields["p"]), int(fields["x"])
        found: list[Row] = [Reserved(a, b, int(n), price_fen, expires_ms) for a, b, n in rows]
        if found and kind == line_rows.HOLD:
            found.insert(0, line_rows.read_served((fields["i"], fields["u"])))
    elif kind in ENDED_AS:
        found = [Ended(rid, buyer_id, int(n)) for rid, buyer_id, n in rows]
    elif kind == "confirm":
        found = [_confirmed(row) for row in rows]
    elif kind == "grant":
        source = unquote(fields["s"])
        found = [Granted(a, b, int(n), _GRANTED_FROM[was], source) for a, b, n, was in rows]
    elif kind == "open":
        found = [Opened(_terms(row)) for row in rows]
    elif kind == "adjust":
        found = [Adjusted(adjust_id, int(n), unquote(why)) for adjust_id, n, why in rows]
    elif kind == "take_back":
        found = [_taken_back(row) for row in rows]
    elif kind in line_rows.COLUMNS:
        found = [*line_rows.read_rows(kind, rows, fields)]
    elif kind in KINDS:
        if rows:
            raise ValueError(f"{kind} carries no rows, but here are {len(rows)}")
        return []
    else:
        raise ValueError(f"unknown kind {kind!r}")
    if not found:
        raise ValueError(f"{kind} without rows")
    return found


def _terms(columns: list[str]) -> DropTerms:
    seven: Any = [int(column) for column in columns[:7]]
    if len(columns) < 7 or len(columns) != _columns_of_open(columns):
        raise ValueError(f"not the terms of a drop: {columns}")
    terms = DropTerms(*seven)
    # The eighth column is written for a drop that sells by tickets, or that has a campaign.
    if columns[7:8] == ["1"]:
        terms = replace(terms, ticket_required=True)
    if columns[8:]:
        terms = replace(terms, campaign_id=columns[8], campaign_limit=int(columns[9]))
    return terms


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


def _taken_back(row: list[str]) -> TakenBack:
    take_id, rid, buyer_id, units, fate, reason = row
    if not is_payment_id(take_id):
        raise ValueError(f"not an id: {take_id!r}")
    return TakenBack(rid, buyer_id, int(units), take_id, Fate(fate), unquote(reason))


def _check_claim(drop_id: str, row: Claiming) -> None:
    if not is_rid(row.rid) or drop_of(row.rid) != drop_id:
        raise ValueError(f"not a reservation of {drop_id}: {row.rid!r}")
    if not is_buyer_id(row.buyer_id) or row.quantity < 1:
        raise ValueError(f"no buyer with a quantity: {row.buyer_id!r}, {row.quantity}")
