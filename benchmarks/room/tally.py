"""What viewers saw: how late each event was, and whether the numbers were right."""

import math
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that so many of a hundred do not exceed. Raises ValueError without any."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


class Tally(Struct):
    """Of one process, or of all. Times are ms; `late` is from Redis's clock in the event to the
    moment the viewer has read it, `lag` the part of it that the event lay in the viewer's kernel.
    """

    late: dict[str, list[float]] = field(default_factory=dict)
    lag: list[float] = field(default_factory=list)
    told: int = 0
    wrong: list[str] = field(default_factory=list)  # numbers that did not follow each other
    anew: int = 0  # viewers who had a place and had to begin anew
    lost: int = 0  # connections that ended without a code
    refused: int = 0  # handshakes
    closed: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Take in what another process saw."""
        for kind, values in other.late.items():
            self.late.setdefault(kind, []).extend(values)
        self.lag.extend(other.lag)
        self.wrong.extend(other.wrong)
        self.closed.update(other.closed)
        for name in ("told", "anew", "lost", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
