"""What the demo knows at one instant: the view draws it, the summary counts it. No I/O."""

from collections import Counter, deque
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from livesale.demo.options import DemoOptions
from livesale.demo.wire import Report
from loadtests.checks import Ack, Unknown
from stock.books import Books

HISTORY_S = 600
SLOT_S = 0.25  # of the sparkline


@dataclass
class Scene:
    """Everything so far. `now_s` is seconds from the opening: negative before it."""

    options: DemoOptions
    url: str = ""
    stores: str = ""
    phase: str = "starting"
    opens: bool = False  # whether the opening is set: before that `now_s` means nothing
    over: bool = False  # the sale; the audit follows
    now_s: float = 0.0
    stand: Books = field(default_factory=Books)  # of the drop, as the last sample saw them
    samples: int = 0
    bad_samples: list[str] = field(default_factory=list)

    answers: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=int(HISTORY_S / SLOT_S)))
    rate_now: float = 0.0
    rate_peak: float = 0.0
    latency: HdrHistogram = field(default_factory=lambda: HdrHistogram(1, 60_000_000, 3))
    here: int = 0

    acks: list[Ack] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    empty_handed: int = 0  # patient buyers who left without anything
    bank: Counter[str] = field(default_factory=Counter)

    orders_in_sql: int = 0
    sold_in_sql: int = 0
    sql_seen: bool = False  # before that the figures of SQL mean nothing
    lag: int = 0
    lag_peak: int = 0

    events: list[tuple[float, str]] = field(default_factory=list)

    def hear(self, report: Report) -> None:
        """Add what a crowd process reports."""
        self.answers.update(report.answers)
        self.requests += len(report.latencies_us)
        for latency_us in report.latencies_us:
            self.latency.record_value(max(1, latency_us))
        self.acks += report.acks
        self.unknowns += report.unknowns
        self.oddities += report.oddities
        self.empty_handed += report.empty_handed

    def see(self, stand: Books) -> None:
        """Add a sample of the books, and hold it against the promise."""
        self.samples += 1
        if self.options.stock < stand.sold + stand.held:
            claimed = f"{stand.sold} sold + {stand.held} held"
            self.bad_samples.append(f"{claimed} > {self.options.stock} at {self.now_s:.3f} s")
        if not stand.balanced:
            self.bad_samples.append(f"books do not balance at {self.now_s:.3f} s: {stand}")
        self.stand = stand

    def note(self, what: str) -> None:
        """A moment for the timeline."""
        self.events.append((self.now_s, what))

    def see_sql(self, orders: int, sold: int, lag: int) -> None:
        """Add a sample of SQL: its orders, its units sold, the log entries it does not hold yet."""
        self.sql_seen = True
        self.orders_in_sql, self.sold_in_sql, self.lag = orders, sold, lag
        self.lag_peak = max(self.lag_peak, lag)

    def percentile_ms(self, percent: float) -> float:
        """Of all answers so far."""
        return float(self.latency.get_value_at_percentile(percent)) / 1000
