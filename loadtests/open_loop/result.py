"""The result of a run: latencies from the intended send time, errors by code, missing answers.

Percentiles are over all due requests. A percentile that falls among unanswered requests is None.
"""

import json
import math
from collections.abc import Iterable
from functools import lru_cache

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from msgspec import Struct, field

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
MAX_US = 3_600_000_000
DIGITS = 3
LATE_MS = 5.0  # report sends that are later than this: the generator was too slow


def new_histogram() -> HdrHistogram:
    """A histogram in µs, from 1 µs to one hour, precise to 0.1 %."""
    return HdrHistogram(1, MAX_US, DIGITS)


class Tally:
    """The running counts. `late` is how late requests left: in line, or by a slow generator."""

    def __init__(self) -> None:
        self.due = 0
        self.elapsed_s = 0.0
        self.answers: dict[str, HdrHistogram] = {}
        self.never: dict[str, int] = {}
        self.late = new_histogram()

    def sent(self, late_s: float) -> None:
        self.late.record_value(_microseconds(late_s))

    def answered(self, status: int, body: bytes, latency_s: float) -> None:
        name = str(status) if status < 400 else _code(status, body)
        histogram = self.answers.get(name)
        if histogram is None:
            histogram = self.answers[name] = new_histogram()
        histogram.record_value(_microseconds(latency_s))

    def add(self, other: "Packed") -> None:
        """Add the counts of another process."""
        self.due += other.due
        self.elapsed_s = max(self.elapsed_s, other.elapsed_s)
        self.late.add(HdrHistogram.decode(other.late))
        for name, encoded in other.answers.items():
            self.answers.setdefault(name, new_histogram()).add(HdrHistogram.decode(encoded))
        for why, count in other.never.items():
            self.never[why] = self.never.get(why, 0) + count

    def packed(self) -> "Packed":
        answers = {name: histogram.encode() for name, histogram in self.answers.items()}
        return Packed(self.due, self.elapsed_s, answers, self.never, self.late.encode())


class Packed(Struct):
    """A tally as it is sent between processes."""

    due: int
    elapsed_s: float
    answers: dict[str, bytes]
    never: dict[str, int]
    late: bytes


class Answers(Struct):
    """All answers of one kind: `201`, `409 sold_out`."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Result(Struct):
    """One run at one rate. Goodput is 2xx answers a second."""

    rate: float
    seconds: float
    arrivals: str
    connections: int
    processes: int
    due: int
    answered: int
    goodput_per_s: float
    answered_per_s: float
    latency_ms: dict[str, float | None]
    late_ms: dict[str, float | None]
    answers: dict[str, Answers]
    never: dict[str, int] = field(default_factory=dict)

    @property
    def generator_was_late(self) -> bool:
        """Whether the generator was too slow, so that the latencies are partly its own.

        Sends are also late while all connections are busy: then the service was slow.
        """
        late = self.late_ms["99"]
        return late is not None and late > LATE_MS


def result_of(
    tally: Tally, *, rate: float, seconds: float, arrivals: str, connections: int, processes: int
) -> Result:
    """The figures of a finished run."""
    everything = new_histogram()
    for histogram in tally.answers.values():
        everything.add(histogram)
    answered = everything.get_total_count()
    good = sum(
        histogram.get_total_count()
        for name, histogram in tally.answers.items()
        if name.startswith("2")
    )
    elapsed_s = max(tally.elapsed_s, seconds)
    return Result(
        rate=rate,
        seconds=seconds,
        arrivals=arrivals,
        connections=connections,
        processes=processes,
        due=tally.due,
        answered=answered,
        goodput_per_s=good / elapsed_s,
        answered_per_s=answered / elapsed_s,
        latency_ms=percentiles(everything, tally.due),
        late_ms=percentiles(tally.late, tally.late.get_total_count()),
        answers={
            name: Answers(
                histogram.get_total_count(),
                histogram.get_value_at_percentile(50) / 1000,
                histogram.get_value_at_percentile(99) / 1000,
                histogram.get_max_value() / 1000,
            )
            for name, histogram in sorted(tally.answers.items())
        },
        never=dict(sorted(tally.never.items())),
    )


def percentiles(
    histogram: HdrHistogram, due: int, wanted: Iterable[float] = PERCENTILES
) -> dict[str, float | None]:
    """Milliseconds by percentile of all due requests; `100` is the maximum."""
    found: dict[str, float | None] = {}
    answered = histogram.get_total_count()
    for percent in wanted:
        rank = math.ceil(percent / 100 * due)
        inside = 0 < rank <= answered
        found[f"{percent:g}"] = (
            histogram.get_value_at_percentile(100 * rank / answered) / 1000 if inside else None
        )
    return found


def _microseconds(seconds: float) -> int:
    return min(max(round(seconds * 1e6), 1), MAX_US)


@lru_cache(maxsize=1_024)
def _code(status: int, body: bytes) -> str:
    """`409 sold_out`: the status and, for a problem, its code."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, TypeError, KeyError):
        return str(status)
    return f"{status} {code}" if isinstance(code, str) else str(status)
