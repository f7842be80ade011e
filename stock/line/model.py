"""The types of a line. No I/O. Every code is spelled as in the Lua scripts of `lua/line/`.

A place is an index: how many places were given before. A position is where the place is in the
order: for the first n0, who came before the opening, it follows from the published seed; for the
others it is the index. Positions below `serving` have had their turn, or have it now.
"""

import re
from enum import StrEnum

from msgspec import Struct

from stock.model import MAX_HOLD_MS, DropState

MAX_PLACES = 10_000_000
MAX_TURN_MS = 600_000
MIN_TURN_MS = 1_000
MAX_RATE = 100_000  # people per second
MAX_PER_MILLE = 1_000_000

HASH_PATTERN = r"^[0-9a-f]{64}$"
is_hash = re.compile(HASH_PATTERN).fullmatch


class LineState(StrEnum):
    """`GATHERING` until the drop opens, then `OPEN`; `GONE` and `VOID` are final."""

    GATHERING = "gathering"
    OPEN = "open"
    GONE = "gone"
    VOID = "void"  # the sale was over before the line opened


class LineMode(StrEnum):
    """What a line gives: turns to buy in, or units held for people, who then pay."""

    TURNS = "turns"
    DRAW = "draw"  # the early people by lots, then first come
    WAITLIST = "waitlist"  # first come, for units that return; open from its first moment


class LineOpenCode(StrEnum):
    OPENED = "OPENED"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"  # open already, with other terms
    NO_TICKETS = "NO_TICKETS"  # the drop sells without tickets
    TOO_LATE = "TOO_LATE"  # the drop is already open
    CLOSED = "CLOSED"
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class JoinCode(StrEnum):
    JOINED = "JOINED"
    REPLAYED = "REPLAYED"
    FULL = "FULL"
    CLOSED = "CLOSED"  # the sale is over
    GONE = "GONE"
    VOID = "VOID"
    AVAILABLE = "AVAILABLE"  # units can be had, and nobody waits for them
    UNKNOWN_LINE = "UNKNOWN_LINE"
    FENCED = "FENCED"


class LeaveCode(StrEnum):
    LEFT = "LEFT"
    REPLAYED = "REPLAYED"
    UNKNOWN = "UNKNOWN"  # no place of this buyer
    UNKNOWN_LINE = "UNKNOWN_LINE"
    FENCED = "FENCED"


class LineCloseCode(StrEnum):
    OPENED = "OPENED"
    REPLAYED = "REPLAYED"
    TOO_EARLY = "TOO_EARLY"
    MISMATCH = "MISMATCH"  # the commitment is not that of this seed
    CLOSED = "CLOSED"
    UNKNOWN_LINE = "UNKNOWN_LINE"
    FENCED = "FENCED"


class ServeCode(StrEnum):
    SERVED = "SERVED"
    IDLE = "IDLE"  # nobody's turn now
    MOVED = "MOVED"  # another caller served meanwhile
    NOT_OPEN = "NOT_OPEN"
    PAUSED = "PAUSED"
    GONE = "GONE"
    VOID = "VOID"
    REVIVED = "REVIVED"  # units came back after the line was gone
    UNKNOWN_LINE = "UNKNOWN_LINE"
    FENCED = "FENCED"


class LineTerms(Struct, frozen=True):
    """The terms of a line: published, and fixed before anybody joins.

    `turn_ms` is how long a turn lasts, or the hold of a unit.
    """

    commitment: str  # SHA-256 of the seed
    turn_ms: int
    rate: int
    capacity: int
    mode: LineMode = LineMode.TURNS

    def __post_init__(self) -> None:
        if not is_hash(self.commitment):
            raise ValueError(f"not a SHA-256: {self.commitment!r}")
        for name, low, high in (
            ("turn_ms", MIN_TURN_MS, self.longest_ms),
            ("rate", 1, MAX_RATE),
            ("capacity", 1, MAX_PLACES),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be {low} to {high}, not {value}")

    @property
    def longest_ms(self) -> int:
        return MAX_TURN_MS if self.mode is LineMode.TURNS else MAX_HOLD_MS


class Turn(Struct, frozen=True, gc=False):
    """The positions `first` to `until - 1` have had their turn since `at_ms`."""

    first: int
    until: int
    at_ms: int


class JoinOutcome(Struct, frozen=True, gc=False):
    """`index` is set for JOINED and REPLAYED, else −1."""

    code: JoinCode
    index: int = -1


class ServeOutcome(Struct, frozen=True, gc=False):
    code: ServeCode
    now_ms: int = 0
    serving: int = 0
    expires_ms: int = 0  # of the new holds
    rids: tuple[str, ...] = ()  # new holds


class NextInLine(Struct, frozen=True, gc=False):
    """Somebody whose position is next, and the reservation that this place gets."""

    rid: str
    buyer_id: str
    index: int


class Place(Struct, frozen=True, gc=False):
    index: int
    left: bool = False


class LineSnapshot(Struct, frozen=True, gc=False):
    """One line at one instant, with the books of its drop. `turns` are those that were asked for.

    `n0` is None before the opening; `seed` and `closing_id` are empty until the line is open.
    """

    drop_id: str
    state: LineState
    terms: LineTerms
    n: int
    n0: int | None
    serving: int
    served_ms: int
    left: int
    closing_id: str
    seed: str
    drop_state: DropState
    opens_ms: int
    closes_ms: int
    available: int
    held: int
    now_ms: int
    log_id: str
    epoch: int
    turns: tuple[Turn, ...] = ()
