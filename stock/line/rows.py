"""The rows of a line in the log, and their codec. No I/O.

Rows by kind: `line_open` commitment|turn_ms|rate|capacity and, unless it gives turns, |mode;
`line_join` a buyer a row, and the field i, the index of the first one; `line_leave` buyer|index;
`line_close` n0|seed; `line_serve` first|until; `line_end` gone or void; `line_revive` serving. They
move no stock: an entry has the books as they were. But `line_hold` has rows of reservations, and
the fields i and u: the first position, and the first one without.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from stock.ids import is_buyer_id
from stock.line.model import MAX_PLACES, LineMode, LineState, LineTerms, is_hash

COLUMNS = {
    "line_open": 5,
    "line_join": 1,
    "line_leave": 2,
    "line_close": 2,
    "line_serve": 2,
    "line_end": 1,
    "line_revive": 1,
}
EXTRA = {"line_join": ("i",)}  # additional fields, by the entry's kind
HOLD = "line_hold"
HOLD_EXTRA = ("p", "x", "i", "u")
ENDS = (LineState.GONE, LineState.VOID)


class LineOpened(Struct, frozen=True):
    terms: LineTerms


class Joined(Struct, frozen=True, gc=False):
    buyer_id: str
    index: int


class Left(Struct, frozen=True, gc=False):
    buyer_id: str
    index: int


class LineClosed(Struct, frozen=True, gc=False):
    """The gathering has ended: the order of the first `n0` places follows."""

    n0: int
    seed: str


class Served(Struct, frozen=True, gc=False):
    first: int
    until: int


class LineEnded(Struct, frozen=True, gc=False):
    state: LineState  # GONE or VOID


class LineRevived(Struct, frozen=True, gc=False):
    """Units came back after the line was gone: it goes on from here."""

    serving: int


LineRow = LineOpened | Joined | Left | LineClosed | Served | LineEnded | LineRevived


def read_rows(
    kind: str, rows: Sequence[Sequence[str]], fields: Mapping[str, str]
) -> Sequence[LineRow]:
    """The rows of an entry. Raises ValueError or KeyError for what no version can have written."""
    if kind == "line_join":
        first = _place(fields["i"])
        return [Joined(_buyer(buyer), first + n) for n, (buyer,) in enumerate(rows)]
    if len(rows) != 1:
        raise ValueError(f"{kind} with {len(rows)} rows")
    return [_read(kind, rows[0])]


def _read(kind: str, row: Sequence[str]) -> LineRow:
    if kind == "line_open":
        commitment, turn_ms, rate, capacity, *mode = row
        if len(mode) > 1 or mode == [LineMode.TURNS]:  # turns are never named
            raise ValueError(f"not the mode of a line: {mode}")
        numbers = int(turn_ms), int(rate), int(capacity)
        return LineOpened(LineTerms(commitment, *numbers, LineMode(*mode or ["turns"])))
    if kind == "line_leave":
        buyer_id, index = row
        return Left(_buyer(buyer_id), _place(index))
    if kind == "line_close":
        n0, seed = row
        if not is_hash(seed):
            raise ValueError(f"not a seed: {seed!r}")
        return LineClosed(_place(n0), seed)
    if kind == "line_serve":
        return read_served(row)
    if kind == "line_revive":
        (serving,) = row
        return LineRevived(_place(serving))
    (word,) = row
    ended = LineEnded(LineState(word))
    if ended.state not in ENDS:
        raise ValueError(f"not the end of a line: {word}")
    return ended


def read_served(row: Sequence[str]) -> Served:
    """The positions that were served. Raises ValueError."""
    served = Served(*map(_place, row))
    if served.until <= served.first:
        raise ValueError(f"nobody was served: {'|'.join(row)}")
    return served


def _place(text: str) -> int:
    place = int(text)
    if not 0 <= place <= MAX_PLACES:
        raise ValueError(f"not a place: {text!r}")
    return place


def _buyer(text: str) -> str:
    if not is_buyer_id(text):
        raise ValueError(f"not a buyer: {text!r}")
    return text
