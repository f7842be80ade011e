"""What the people of a load test wrote down. No I/O: see loadtests.journal.

A claim is one buyer's attempt to get units of a drop: all requests with one key.
"""

from collections import Counter
from typing import Any

from msgspec import Struct, field

UNCLEAR = {"lost", "outcome_unknown", "hung_up"}  # it may have taken effect


class Drop(Struct, tag="drop", frozen=True):
    """A drop as the operator made it. Times are the service's."""

    drop_id: str
    allotted: int
    buyer_limit: int
    price_fen: int
    opens_ms: int
    room_id: str = ""  # the live room that sells it, if any
    in_line: bool = False  # whether people wait in a line for it


class Held(Struct, array_like=True, frozen=True):
    """A reservation in one answer. `created` means 201, else it was a replay."""

    rid: str
    quantity: int
    amount_fen: int
    created: bool


class Claim(Struct, tag="claim"):
    """`codes` are all answers in order; `answers` are those with a reservation. `buyer_id` may be
    empty if the token came from a file."""

    drop_id: str
    buyer_id: str
    quantity: int
    codes: list[str] = field(default_factory=list)
    answers: list[Held] = field(default_factory=list)

    @property
    def unclear(self) -> bool:
        """Whether it may have taken effect without the buyer's knowledge."""
        return not self.answers and any(code in UNCLEAR for code in self.codes)


class Placed(Struct, tag="placed", frozen=True):
    """What somebody was told of their place in line; position −1: nobody knows it yet."""

    drop_id: str
    buyer_id: str
    index: int
    position: int


class Paid(Struct, tag="paid", frozen=True):
    """`result` of the bank: sold, late_sold, replayed, refund_due, a problem's code, or lost."""

    rid: str
    result: str


class Restock(Struct, tag="restock"):
    """`done` is None if the outcome is unknown."""

    drop_id: str
    delta: int
    done: bool | None = None


class Sample(Struct, tag="sample", frozen=True):
    """The books of a drop in Redis, as an operator saw them while it sold."""

    drop_id: str
    allotted: int
    available: int
    held: int
    sold: int
    burned: int


class Watched(Struct, tag="watched"):
    """What one viewer of a room saw, over all connections. `wrong` are gaps and repeats of event
    numbers; `anew` counts resumes that got a snapshot instead, `closed` the close codes of
    connections, 1006 without a close frame."""

    room_id: str
    events: int = 0
    connections: int = 0
    resumed: int = 0
    anew: int = 0
    likes: int = 0
    comments: int = 0
    closed: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Tally(Struct, tag="tally"):
    """Answers of each kind since the last tally: see loadtests.line.counted_as."""

    counts: dict[str, int]


class Broke(Struct, tag="broke", frozen=True):
    """Where a ramp ended: users, requests a second, and what failed."""

    users: int
    per_s: float
    why: str


Note = Drop | Claim | Placed | Paid | Restock | Sample | Watched | Tally | Broke


class History(Struct):
    """All notes of all processes; a journal in memory."""

    drops: dict[str, Drop] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    placed: set[Placed] = field(default_factory=set)
    payments: list[Paid] = field(default_factory=list)
    restocks: list[Restock] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    broke: Broke | None = None

    def count(self, line: str) -> None:
        """One more answer of this kind."""
        self.tally[line] += 1

    def note(self, note: Any) -> None:
        """Raises TypeError if it is not a note."""
        match note:
            case Drop():
                self.drops[note.drop_id] = note
            case Claim():
                self.claims.append(note)
            case Placed():
                self.placed.add(note)
            case Paid():
                self.payments.append(note)
            case Restock():
                self.restocks.append(note)
            case Sample():
                self.samples.append(note)
            case Watched():
                self.watched.append(note)
            case Tally():
                self.tally.update(note.counts)
            case Broke():
                self.broke = note
            case _:
                raise TypeError(f"{note!r} is not a note")
