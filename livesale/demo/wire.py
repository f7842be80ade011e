"""What the demo and its crowd processes tell each other. No I/O: see livesale.demo.pipe."""

from msgspec import Struct

from livesale.demo.plan import Buyer
from loadtests.checks import Ack, Unknown


class Job(Struct, array_like=True):
    """What a crowd process is to play. Times are milliseconds since 1970, seconds from there."""

    host: str
    port: int
    drop_id: str
    opens_ms: int
    last_s: float  # after the opening: then nobody tries any more
    connections: int
    seed: int
    buyers: list[Buyer]


class Word(Struct, array_like=True):
    """Something the whole crowd hears: nothing is left and nothing can come back."""

    all_sold: bool = False


class Bill(Struct, array_like=True, frozen=True):
    """A buyer pays."""

    rid: str
    amount_fen: int


class Report(Struct, array_like=True):
    """What happened in a crowd process since its last report."""

    answers: dict[str, int]
    latencies_us: list[int]
    acks: list[Ack]
    bills: list[Bill]
    unknowns: list[Unknown]
    oddities: list[str]  # answers that contradict each other
    empty_handed: int = 0  # patient buyers who left without anything
    here: int = 0  # buyers who still wait, try, or are about to pay
    over: bool = False
