"""What is known of the show at one instant: the view draws it, the verdict counts it. No I/O."""

from collections import Counter, deque
from dataclasses import dataclass, field

from livesale.demo.options import LiveOptions
from loadtests.checks import Ack
from loadtests.history import Watched

COMMENTS = 4  # that are shown


@dataclass
class LiveScene:
    """Everything so far. `now_s` is seconds from the start of the show."""

    options: LiveOptions
    url: str = ""
    stores: str = ""
    phase: str = "starting"
    over: bool = False
    now_s: float = 0.0
    title: str = ""
    state: str = ""  # of the room
    online: int = 0
    peak: int = 0
    likes: int = 0
    pinned: str = ""
    comments: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=COMMENTS))

    drop: str = ""  # its title, once there is one
    drop_phase: str = ""
    opens_in_s: float = 0.0
    remaining: int = 0
    allotted: int = 0

    bag: str = ""
    connected: int = 0
    storm: str = ""
    events_told: int = 0
    late_ms: deque[float] = field(default_factory=lambda: deque(maxlen=5_000))
    answers: Counter[str] = field(default_factory=Counter)
    bank: Counter[str] = field(default_factory=Counter)
    acks: list[Ack] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        """A moment for the timeline."""
        self.events.append((self.now_s, what))
