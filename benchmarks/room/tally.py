"""What viewers saw: the latency of each event, and gaps in the numbers."""

import math
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed. Raises ValueError if empty."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


class Tally(Struct):
    """The tally of one process, or of all. Times are ms; `late` is from Redis's time in the event
    to the viewer's read, `lag` the part of it that the event waited in the viewer's kernel.
    """

    late: dict[str, list[float]] = field(default_factory=dict)
    lag: list[float] = field(default_factory=list)
    told: int = 0
    wrong: list[str] = field(default_factory=list)  # gaps and repeats of event numbers
    anew: int = 0  # viewers who wanted to resume and got a snapshot
    lost: int = 0  # connections that ended without a code
    refused: int = 0  # refused handshakes
    closed: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Add the tally of another process."""
        for kind, values in other.late.items():
            self.late.setdefault(kind, []).extend(values)
        self.lag.extend(other.lag)
        self.wrong.extend(other.wrong)
        self.closed.update(other.closed)
        for name in ("told", "anew", "lost", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
