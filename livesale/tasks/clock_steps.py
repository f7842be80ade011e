"""Notices steps of Redis's clock, by the monotonic clock of this process.

Redis's clock decides what is due. If it is wrong for some seconds, the decisions of that time are
permanent: holds ended, drops closed, rooms over. So keepers do not accept a step forward at once.
"""

import time
from typing import Self

import structlog
from msgspec import Struct

from stock.engine import Engine

STEP_MS = 100  # two clocks on a busy machine never drift by this much between two readings
AHEAD_MS = 3_000  # a larger step forward is doubted
BELIEVED_AFTER_S = 10.0  # then it is accepted: a suspended machine, a corrected clock

_log = structlog.get_logger(__name__)


class Reading(Struct, frozen=True):
    """Redis's time, and its lead over the monotonic clock of this process, in ms.

    The time of each direction of the round trip is unknown, so the lead is between two values.
    """

    now_ms: int
    least_ms: float
    most_ms: float

    def later_than(self, before: Self) -> float:
        """The certain size of a step since then, in ms; negative if the clock went back."""
        if self.least_ms > before.most_ms:
            return self.least_ms - before.most_ms
        return min(0.0, self.most_ms - before.least_ms)

    def closer(self, before: Self) -> "Reading":
        """The same reading, narrowed by an earlier one if they are consistent."""
        least_ms = max(self.least_ms, before.least_ms)
        most_ms = min(self.most_ms, before.most_ms)
        return Reading(self.now_ms, least_ms, most_ms) if least_ms <= most_ms else self


async def read_clock(engine: Engine, partition: int | None = None) -> Reading:
    """Ask Redis once: the server of a partition, or any. Raises StockError."""
    before_ms = time.monotonic() * 1000
    now_ms = await engine.now_ms(partition)
    after_ms = time.monotonic() * 1000
    return Reading(now_ms, now_ms - after_ms, now_ms + 1 - before_ms)  # TIME is cut to whole ms


class StepWatch:
    """Detects steps of Redis's clock."""

    def __init__(self, engine: Engine, partition: int | None = None) -> None:
        self._engine = engine
        self._partition = partition
        self._before: Reading | None = None

    async def has_stepped(self) -> bool:
        """Whether it stepped by more than STEP_MS since the last call. Raises StockError."""
        found = await read_clock(self._engine, self._partition)
        before = self._before or found
        self._before = found.closer(before)
        return abs(found.later_than(before)) > STEP_MS


class Look(Struct, frozen=True):
    """Redis's time; if `doubted`, decide nothing by it."""

    now_ms: int
    doubted: bool


class ClockWatch:
    """Doubts a step forward of Redis's clock by more than AHEAD_MS for BELIEVED_AFTER_S.

    Call `look` repeatedly, and decide nothing while it is `doubted`. If a look is not doubted,
    everything that Redis reported as due before it was really due. The first look is never doubted.
    """

    def __init__(self, engine: Engine, partition: int | None = None) -> None:
        self._engine = engine
        self._partition = partition
        self._believed: Reading | None = None
        self._doubted_s: float | None = None  # start of the doubt, by the monotonic clock

    async def look(self) -> Look:
        """Raises StockError."""
        found = await read_clock(self._engine, self._partition)
        believed = self._believed or found
        ahead_ms = found.later_than(believed)
        if ahead_ms <= AHEAD_MS:
            self._doubted_s = None
        else:
            now_s = time.monotonic()
            if self._doubted_s is None:
                _log.warning("the clock of Redis jumped ahead: not accepted yet", ms=int(ahead_ms))
                self._doubted_s = now_s
            if now_s - self._doubted_s < BELIEVED_AFTER_S:
                return Look(found.now_ms, doubted=True)
            _log.warning("the clock of Redis stays ahead: accepted", ms=int(ahead_ms))
            self._doubted_s = None
        self._believed = found.closer(believed)
        return Look(found.now_ms, doubted=False)
