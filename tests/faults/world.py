"""What the faults and the load share: the history, and how much the clients misbehave. No I/O."""

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.history import History


@dataclass
class World:
    history: History = field(default_factory=History)
    hang_up: float = 0.01  # the chance that a client leaves after it has sent its request
    poisoned: set[tuple[int, str]] = field(default_factory=set)  # partition and id in its log
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)  # what was to break was down already
    trouble: list[str] = field(default_factory=list)  # what a fault found and should not have
