"""The figures of a load test: counts from the journals, times from Locust. No I/O."""

from collections import Counter
from typing import NamedTuple

from msgspec import Struct, field

from loadtests.history import History
from loadtests.line import RESERVE


class Latency(Struct, frozen=True):
    """Latencies of one kind of request in ms, rounded by Locust to two significant digits."""

    name: str
    requests: int
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Figures(Struct, frozen=True):
    """`asked` are all requests; the next five are about reservations: claims acknowledged, answers
    by code, claims with an unknown outcome, and claims that a buyer repeated."""

    asked: int
    claims: int
    acknowledged: int
    refused: dict[str, int]
    unknown: int
    repeated: int
    paid: int
    faults: int  # 5xx answers, and missing ones
    faults_share: float
    limited_by_address: int
    limited_by_buyer: int
    latencies: list[Latency] = field(default_factory=list)


class Kind(NamedTuple):
    """A line of the tally, parsed: see loadtests.line.counted_as."""

    name: str
    status: int
    code: str
    by: str


def kind_of(line: str) -> Kind:
    name, status, code, by = line.split("|")
    return Kind(name, int(status or 0), code, by)


def figures_of(history: History, latencies: list[Latency] | None = None) -> Figures:
    refused: Counter[str] = Counter()
    limited: Counter[str] = Counter()
    faults = 0
    for line, count in history.tally.items():
        kind = kind_of(line)
        faults += count if kind.status == 0 or kind.status >= 500 else 0
        limited[kind.by] += count
        if kind.name == RESERVE and not 200 <= kind.status < 300:
            refused[f"{kind.status} {kind.code}" if kind.status else kind.code] += count
    asked = history.tally.total()
    claims = history.claims
    return Figures(
        asked=asked,
        claims=len(claims),
        acknowledged=sum(bool(claim.answers) for claim in claims),
        refused=dict(refused.most_common()),
        unknown=sum(claim.unclear for claim in claims),
        repeated=sum(len(claim.codes) > 1 for claim in claims),
        paid=sum(
            payment.result in ("sold", "late_sold", "replayed") for payment in history.payments
        ),
        faults=faults,
        faults_share=faults / asked if asked else 0.0,
        limited_by_address=limited["address"],
        limited_by_buyer=limited["buyer"],
        latencies=latencies or [],
    )
