"""The state of the demo: the view draws it, the summary counts it. No I/O."""

from collections import Counter, deque
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from livesale.demo.options import DemoOptions
from loadtests.history import History, Sample
from loadtests.line import RESERVE, Answer, counted_as
from stock.books import Books

HISTORY_S = 600
SLOT_S = 0.25  # one bar of the sparkline
COMMENTS = 4  # comments shown


@dataclass
class Room:
    """The live room as a viewer's screen shows it, and totals over all viewers."""

    title: str = ""
    state: str = ""
    online: int = 0
    peak: int = 0
    likes: int = 0
    pinned: str = ""
    comments: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=COMMENTS))

    drop: str = ""  # its title, once there is one
    phase: str = ""
    opens_s: float = 0.0  # by the clock of the scene
    remaining: int = 0
    allotted: int = 0

    bag: str = ""
    connected: int = 0
    storm: str = ""
    events_told: int = 0
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=5_000))

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latency of the drop's events."""
        late = sorted(self.late_ms) or [0.0]
        return late[int((len(late) - 1) * percent / 100)]


@dataclass
class Scene:
    """The state so far. `now_s` is seconds from the opening, or from the start of a show."""

    options: DemoOptions
    room: Room | None = None  # only for a show
    url: str = ""
    page: str = ""  # where a browser can watch it
    phase: str = "starting"
    begun_ms: float | None = None  # this machine's time at `now_s` 0
    over: bool = False  # the sale; the audit follows
    now_s: float = 0.0
    stock: int = 0  # units ever allotted
    stand: Books = field(default_factory=Books)  # of the drop, in the last sample
    samples: int = 0
    bad_samples: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)

    answers: Counter[str] = field(default_factory=Counter)  # answers to reservations
    requests: int = 0
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=int(HISTORY_S / SLOT_S)))
    rate_now: float = 0.0
    rate_peak: float = 0.0
    latency: HdrHistogram = field(default_factory=lambda: HdrHistogram(1, 60_000_000, 3))
    here: int = 0
    empty_handed: int = 0  # patient buyers who got nothing

    orders_in_sql: int = 0
    sold_in_sql: int = 0
    sql_seen: bool = False  # until then, the figures of SQL are not valid
    lag: int = 0
    lag_peak: int = 0

    events: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stock = self.options.stock
        if self.options.live:
            self.room = Room()

    @property
    def sold_out(self) -> bool:
        """Whether every unit is paid, so no unit can return."""
        return 0 < self.stand.allotted == self.stand.sold

    def hear(self, name: str, answer: Answer, took_us: int) -> None:
        """Add an answer."""
        self.history.count(counted_as(name, answer))
        if name == RESERVE:
            self.answers[f"{answer.status or ''} {answer.code}".strip()] += 1
            if answer.status:
                self.requests += 1
                self.latency.record_value(max(1, took_us))

    def see(self, drop_id: str, stand: Books) -> None:
        """Add a sample of the books, and check it."""
        self.samples += 1
        parts = (stand.available, stand.held, stand.sold, stand.burned)
        self.history.note(Sample(drop_id, stand.allotted, *parts))
        if self.stock < stand.sold + stand.held:
            claimed = f"{stand.sold} sold + {stand.held} held"
            self.bad_samples.append(f"{claimed} > {self.stock} at {self.now_s:.3f} s")
        if not stand.balanced:
            self.bad_samples.append(f"books do not balance at {self.now_s:.3f} s: {stand}")
        self.stand = stand

    def tell(self, what: str) -> None:
        """Add an event to the timeline."""
        self.events.append((self.now_s, what))

    def see_sql(self, orders: int, sold: int, lag: int) -> None:
        """Add a sample of SQL: orders, units sold, log entries still missing."""
        self.sql_seen = True
        self.orders_in_sql, self.sold_in_sql, self.lag = orders, sold, lag
        self.lag_peak = max(self.lag_peak, lag)

    def percentile_ms(self, percent: float) -> float:
        """Over all answers so far."""
        return float(self.latency.get_value_at_percentile(percent)) / 1000
