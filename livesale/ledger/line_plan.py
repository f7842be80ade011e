"""The changes of a batch of log entries in the tables of lines, computed in memory first. No I/O.

An entry says what it continues from: the first place that it gives, the first position that it
serves. So SQL refuses a batch that does not match its rows, as for stock.
"""

from typing import Any

from msgspec import Struct, field

from stock.entries import LogEntry
from stock.line.model import LineMode, LineState
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

DRAFT = "draft"
_LIVE = (LineState.GATHERING.value, LineState.OPEN.value)

Row = dict[str, Any]


class LineStep(Struct):
    """One line: what SQL must have before a batch, and what it has after.

    `places` and `serving` are the expected numbers before, or None if nothing depends on them.
    """

    states: tuple[str, ...]
    places: int | None = None
    serving: int | None = None
    commitment: str | None = None
    leavers: int = 0  # how many more
    after: Row = field(default_factory=dict)


class LinePlan(Struct):
    steps: dict[str, LineStep] = field(default_factory=dict)
    batches: list[Row] = field(default_factory=list)
    leaves: list[Row] = field(default_factory=list)
    turns: list[Row] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows to insert or change."""
        return len(self.steps) + len(self.batches) + len(self.leaves) + len(self.turns)


def add_line(plan: LinePlan, entry: LogEntry) -> str:
    """Add an entry about a line, if it is one. Why it contradicts those before it, or nothing."""
    rows = [row for row in entry.rows if isinstance(row, LineRow)]
    if not rows:
        return ""
    drop_id, first = entry.drop_id, rows[0]
    here: Row = {"drop_id": drop_id, "at_ms": entry.at_ms}
    match first:
        case LineOpened(terms=terms):
            step = _step(plan, drop_id, (DRAFT,))
            step.commitment = terms.commitment
            step.after |= {
                "state": LineState.GATHERING.value,
                "mode": terms.mode.value,
                "turn_ms": terms.turn_ms,
                "rate": terms.rate,
                "capacity": terms.capacity,
            }
            if terms.mode is LineMode.WAITLIST:
                opened = {"early": 0, "opened_ms": entry.at_ms}
                step.after |= {"state": LineState.OPEN.value, **opened}
            return _fault(step)
        case Joined(index=index):
            step = _step(plan, drop_id, _LIVE)
            buyers = [row.buyer_id for row in rows if isinstance(row, Joined)]
            batch = {"first_place": index, "people": len(buyers), "buyers": " ".join(buyers)}
            plan.batches.append(here | batch)
            return _advance(step, "places", index, index + len(buyers)) or _fault(step)
        case Left(buyer_id=buyer_id, index=index):
            step = _step(plan, drop_id, (*_LIVE, LineState.GONE.value, LineState.VOID.value))
            step.leavers += 1
            plan.leaves.append(here | {"place": index, "buyer_id": buyer_id})
            return _fault(step)
        case LineClosed(n0=n0, seed=seed):
            step = _step(plan, drop_id, (LineState.GATHERING.value,))
            step.after |= {
                "state": LineState.OPEN.value,
                "early": n0,
                "seed": seed,
                "closing_id": entry.id,
                "opened_ms": entry.at_ms,
            }
            return _fault(step)
        case Served(first=position, until=until):
            step = _step(plan, drop_id, (LineState.OPEN.value,))
            books = {"available": entry.books.available, "held": entry.books.held}
            turn = {"first_position": position, "next_position": until}
            plan.turns.append(here | turn | books)
            return _advance(step, "serving", position, until) or _fault(step)
        case LineEnded(state=state):
            before = LineState.OPEN if state is LineState.GONE else LineState.GATHERING
            step = _step(plan, drop_id, (before.value,))
            step.after |= {"state": state.value, "ended_ms": entry.at_ms}
            return _fault(step)
        case LineRevived(serving=position):
            step = _step(plan, drop_id, (LineState.GONE.value,))
            step.after |= {"state": LineState.OPEN.value, "ended_ms": None}
            return _advance(step, "serving", position, position) or _fault(step)


def _step(plan: LinePlan, drop_id: str, allowed: tuple[str, ...]) -> LineStep:
    """The step of a line, which must be in an allowed state now: else it has no state left."""
    step = plan.steps.get(drop_id)
    if step is None:
        step = plan.steps[drop_id] = LineStep(allowed)
    elif "state" in step.after:
        if step.after["state"] not in allowed:
            step.states = ()
    else:
        step.states = tuple(state for state in step.states if state in allowed)
    return step


def _fault(step: LineStep) -> str:
    return "" if step.states else "not in this state of the line"


def _advance(step: LineStep, name: str, before: int, after: int) -> str:
    """Move a counter of the line, which must continue from `before`."""
    known = step.after.get(name, getattr(step, name))
    if known is None:
        setattr(step, name, before)
    elif known != before:
        return f"continues from {before} {name}, the entry before ends at {known}"
    step.after[name] = after
    return ""
