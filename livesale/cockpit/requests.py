"""Figures of requests: the rise of all workers' counters since the last look."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from livesale.cockpit.figures import ErrorRate, Pace, RequestFigures
from livesale.operations.health import Briefs, Health
from livesale.telemetry.metrics import FAST_S

RESERVE = "/v1/drops/{drop_id}/reservations"
WAITING = (
    "/v1/rooms/{room_id}/events",
    "/v1/rooms/{room_id}/socket",
    "/v1/rooms/{room_id}/host/socket",
    "/v1/admin/cockpit/socket",
)
WORKERS = ("api-", "local")  # names of processes that answer requests
MAX_ERRORS = 20
MAX_WINDOW_S = 60.0  # an older look says nothing about now

_BOUNDS = (*FAST_S, float("inf"))
_GOOD = frozenset({"HELD", "REPLAYED"})

# (process, "reserve" or "other"), and (process, code)
Kind = tuple[str, str]
Code = tuple[str, str]


class Look(Struct, frozen=True):
    """The counters at one time. `buckets` are counts by duration, in the order of FAST_S."""

    at_s: float
    buckets: Mapping[Kind, Sequence[int]]
    codes: Mapping[Code, int]
    workers: int
    silent: list[str]


class RequestBoard:
    """One per worker."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._last: Look | None = None
        self._shown = RequestFigures()

    async def take(self) -> RequestFigures:
        briefs = await self._health.briefs()
        if self._last is None or briefs.at_s > self._last.at_s:
            look = read(briefs)
            self._shown = compare(self._last, look)
            self._last = look
        return self._shown


def read(briefs: Briefs) -> Look:
    """What the cockpit needs of all briefs."""
    buckets: dict[Kind, Sequence[int]] = {}
    codes: defaultdict[Code, int] = defaultdict(int)
    workers = 0
    for process, brief in briefs.found.items():
        seconds = dict(brief.counts.get("seconds", {}))
        workers += brief.answers and process.startswith(WORKERS)
        buckets[process, "reserve"] = seconds.pop(RESERVE, ())
        others = [row for route, row in seconds.items() if route not in WAITING]
        buckets[process, "other"] = [sum(each) for each in zip(*others, strict=True)]
        for name in ("problems", "reservations"):
            for code, (count,) in brief.counts.get(name, {}).items():
                codes[process, code] += count
    silent = sorted(name for name, brief in briefs.found.items() if not brief.answers)
    return Look(briefs.at_s, buckets, codes, workers, silent)


def compare(last: Look | None, look: Look) -> RequestFigures:
    """The rates between two looks; without a recent one only who is there."""
    took_s = look.at_s - last.at_s if last is not None else 0.0
    if last is None or not 0 < took_s <= MAX_WINDOW_S:
        return RequestFigures(workers=look.workers, silent=look.silent)
    rates: defaultdict[str, int] = defaultdict(int)
    for place, value in look.codes.items():
        if place[1] not in _GOOD:
            rates[place[1]] += _rise(last.codes.get(place, 0), value)
    most = sorted(rates.items(), key=lambda pair: -pair[1])[:MAX_ERRORS]
    errors = [ErrorRate(code, round(rise / took_s, 2)) for code, rise in most]
    return RequestFigures(
        window_ms=round(took_s * 1000),
        workers=look.workers,
        silent=look.silent,
        reserve=_pace(last, look, "reserve", took_s),
        other=_pace(last, look, "other", took_s),
        errors=[error for error in errors if error.per_s > 0],
    )


def _rise(before: int, after: int) -> int:
    """A process that began anew counts from 0."""
    return after - before if after >= before else after


def _pace(last: Look, look: Look, kind: str, took_s: float) -> Pace:
    totals = [0] * len(_BOUNDS)
    for place, counts in look.buckets.items():
        if place[1] == kind:
            before = last.buckets.get(place) or (0,) * len(counts)
            is_new = sum(counts) < sum(before)  # it began anew
            for at, count in enumerate(counts):
                totals[at] += count if is_new else _rise(before[at], count)
    most = sum(totals)
    return Pace(round(most / took_s, 2), _within(totals, most, 0.5), _within(totals, most, 0.99))


def _within(totals: Sequence[int], most: int, share: float) -> float | None:
    """The bound of the bucket, in ms, under which this share of the requests stayed."""
    if not most:
        return None
    so_far = 0
    for bound, count in zip(_BOUNDS, totals, strict=True):
        so_far += count
        if so_far >= most * share:
            return None if bound == float("inf") else round(bound * 1000, 3)
    return None
