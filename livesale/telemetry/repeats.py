"""Repeated log lines: prints the first ones of a second, and counts the rest.

Otherwise a stranger could fill the disk with a request that causes a fault, and so would all buyers
while a store is unavailable. So an event is printed at most LINES times in a second; then one line,
`repeated`, says how often it came, and with which status and problem.
"""

import asyncio
import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import EventDict

from livesale.telemetry import metrics

LINES = 10  # of one event in one window
WINDOW_S = 1.0
MAX_KINDS = 1_000  # distinct events; more share one entry
MAX_CASES = 20  # distinct cases of one event in a sum; more share one entry

Say = Callable[[str, str, int, float, dict[str, int]], None]


class Every(str):
    """The name of a line that is always printed.

    For lines that are recorded nowhere else, and whose number is limited otherwise.
    """

    __slots__ = ()


class _Kind:
    """One event: when its window began, how many lines it had, and how many were not printed."""

    __slots__ = ("began_s", "cases", "lines", "name")

    def __init__(self, name: str, began_s: float) -> None:
        self.name = name
        self.began_s = began_s
        self.lines = 0
        self.cases: Counter[str] = Counter()


class Repeats:
    """A processor of structlog, and a filter of the standard library's handlers."""

    def __init__(self, say: Say | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`say` prints a sum: level, event, how often in how many seconds, and the cases."""
        self._say = say or _say
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._lock = threading.Lock()

    def __call__(self, _logger: Any, method: str, event: EventDict) -> EventDict:
        name = event["event"]
        if type(name) is not Every:
            case = f"{event.get('status', '')} {event.get('problem') or ''}".strip()
            if not self.passes(method, str(name), case):
                raise structlog.DropEvent
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """The place in the code, because texts of other libraries may contain anything."""
        place = f"{record.name}:{record.lineno}"
        return self.passes(record.levelname.lower(), place, "")

    def passes(self, level: str, name: str, case: str) -> bool:
        """Whether to print a line. If not, count it for the next sum."""
        now_s = self._clock()
        with self._lock:
            key = (level, name)
            kind = self._kinds.get(key)
            if kind is None:
                if len(self._kinds) >= MAX_KINDS:
                    key = (level, "others")
                kind = self._kinds.setdefault(key, _Kind(key[1], now_s))
            over = self._end(key, kind, now_s) if now_s - kind.began_s >= WINDOW_S else None
            kind.lines += 1
            passes = kind.lines <= LINES
            if not passes:
                kind.cases[case if len(kind.cases) < MAX_CASES else "others"] += 1
                if kind.lines == LINES + 1:
                    self._sum_up_later(key)
        if over is not None:
            self._say(*over)
        if not passes:
            metrics.LOG_REPEATED.labels(level).inc()
        return passes

    def sum_up(self) -> None:
        """Print all sums now."""
        now_s = self._clock()
        with self._lock:
            found = [self._end(key, kind, now_s) for key, kind in self._kinds.items()]
        for over in found:
            if over is not None:
                self._say(*over)

    def _end(
        self, key: tuple[str, str], kind: _Kind, now_s: float
    ) -> tuple[str, str, int, float, dict[str, int]] | None:
        """Begin a new window; returns the sum of the last one."""
        cases, took_s = dict(kind.cases), now_s - kind.began_s
        kind.began_s, kind.lines = now_s, 0
        kind.cases.clear()
        return (key[0], kind.name, sum(cases.values()), took_s, cases) if cases else None

    def _sum_up_later(self, key: tuple[str, str]) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # with the next line of this event, or at the end of the process
        loop.call_later(WINDOW_S, self._sum_up_one, key)

    def _sum_up_one(self, key: tuple[str, str]) -> None:
        now_s = self._clock()
        with self._lock:
            over = self._end(key, self._kinds[key], now_s)
        if over is not None:
            self._say(*over)

    def until_exit(self) -> "Repeats":
        """Print the remaining sums when the process ends; returns itself."""
        atexit.register(self.sum_up)
        return self


def _say(level: str, name: str, times: int, took_s: float, cases: dict[str, int]) -> None:
    log = structlog.get_logger(__name__)
    tell = getattr(log, "error" if level == "exception" else level, log.info)
    tell(
        Every("repeated"),
        of=name,
        times=times,
        in_s=round(took_s, 1),
        cases={case: count for case, count in cases.items() if case} or None,
    )
