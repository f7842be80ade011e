"""The fold of the log into a line: places, turns and state. No I/O."""

from collections.abc import Sequence

from msgspec import Struct, field

from stock.line.model import LineMode, LineState, LineTerms, Place, Turn
from stock.line.rows import (
    Joined,
    Left,
    LineClosed,
    LineEnded,
    LineOpened,
    LineRevived,
    LineRow,
    Served,
)


class FoldedLine(Struct):
    """What follows from the log of one line."""

    terms: LineTerms
    state: LineState = LineState.GATHERING
    n: int = 0
    n0: int | None = None
    left: int = 0
    seed: str = ""
    closing_id: str = ""
    places: dict[str, Place] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    @property
    def serving(self) -> int:
        return self.turns[-1].until if self.turns else 0


class LineFold:
    """The lines of a log, by drop."""

    def __init__(self) -> None:
        self.lines: dict[str, FoldedLine] = {}

    def apply(self, entry_id: str, drop_id: str, at_ms: int, rows: Sequence[LineRow]) -> None:
        """Add the rows of an entry, all or none. Raises ValueError if they contradict the state."""
        line, first = self.lines.get(drop_id), rows[0]
        if isinstance(first, LineOpened):
            if line is not None:
                raise ValueError(f"{entry_id}: the line of {drop_id} is opened twice")
            line = self.lines[drop_id] = FoldedLine(first.terms)
            if first.terms.mode is LineMode.WAITLIST:
                line.state, line.n0 = LineState.OPEN, 0
            return
        if line is None:
            raise ValueError(f"{entry_id}: {drop_id} has no line")
        fault = _fault(line, rows)
        if fault:
            raise ValueError(f"{entry_id}: {fault}")
        for row in rows:
            _apply(line, entry_id, at_ms, row)


def _fault(line: FoldedLine, rows: Sequence[LineRow]) -> str:
    """Why an entry does not follow from the state, or nothing."""
    match rows[0]:
        case Joined():
            return _joins_wrongly(line, [row for row in rows if isinstance(row, Joined)])
        case Left(buyer_id=buyer_id, index=index):
            if line.places.get(buyer_id) != Place(index):
                return f"{buyer_id} leaves {index}, which is not theirs"
        case LineClosed(n0=n0):
            if line.state is not LineState.GATHERING or n0 > line.n:
                return f"closes with {n0} of {line.n} places, {line.state}"
        case Served(first=first, until=until):
            if line.state is not LineState.OPEN or first != line.serving or until > line.n:
                return f"serves {first} to {until}, {line.state}, at {line.serving}"
        case LineEnded(state=state):
            before = LineState.OPEN if state is LineState.GONE else LineState.GATHERING
            if line.state is not before:
                return f"{state} after {line.state}"
        case LineRevived(serving=serving):
            if line.state is not LineState.GONE or serving != line.serving:
                return f"goes on from {serving}, {line.state}, at {line.serving}"
    return ""


def _joins_wrongly(line: FoldedLine, rows: Sequence[Joined]) -> str:
    for number, row in enumerate(rows, line.n):
        known = line.places.get(row.buyer_id)
        if known is not None and not known.left:
            return f"{row.buyer_id} has two places"
        if row.index != number:
            return f"place {row.index} after {number} places"
    if len({row.buyer_id for row in rows}) != len(rows):
        return "a buyer joins twice"
    return ""


def _apply(line: FoldedLine, entry_id: str, at_ms: int, row: LineRow) -> None:
    match row:
        case Joined(buyer_id=buyer_id, index=index):
            line.places[buyer_id] = Place(index)
            line.n += 1
        case Left(buyer_id=buyer_id, index=index):
            line.places[buyer_id] = Place(index, left=True)
            line.left += 1
        case LineClosed(n0=n0, seed=seed):
            line.state, line.n0, line.seed, line.closing_id = LineState.OPEN, n0, seed, entry_id
        case Served(first=first, until=until):
            line.turns.append(Turn(first, until, at_ms))
        case LineEnded(state=state):
            line.state = state
        case LineRevived():
            line.state = LineState.OPEN
