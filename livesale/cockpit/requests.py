"""Figures of requests: what the counters of all processes here rose by since the last look."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from livesale.cockpit.figures import ErrorRate, Pace, RequestFigures
from livesale.telemetry.metrics import Family, take_all

RESERVE = "/v1/drops/{drop_id}/reservations"
WAITING = (
    "/v1/rooms/{room_id}/events",
    "/v1/rooms/{room_id}/socket",
    "/v1/rooms/{room_id}/host/socket",
    "/v1/admin/cockpit/socket",
)
MAX_ERRORS = 20
MAX_WINDOW_S = 60.0  # an older look says nothing about now

_BUCKETS = "livesale_http_request_seconds_bucket"
_PROBLEMS = "livesale_problems_total"
_RESERVED = "livesale_reservations_total"
_GOOD = frozenset({"HELD", "REPLAYED"})

# (process, "reserve" or "other", upper bound), and (process, code)
Bucket = tuple[str, str, float]
Code = tuple[str, str]


class Look(Struct, frozen=True):
    """The counters at one time."""

    at_s: float
    buckets: Mapping[Bucket, float]
    codes: Mapping[Code, float]
    workers: int
    silent: list[str]


class RequestBoard:
    """One per worker."""

    def __init__(self) -> None:
        self._last: Look | None = None

    async def take(self) -> RequestFigures:
        look = read(await take_all(), asyncio.get_running_loop().time())
        last, self._last = self._last, look
        return compare(last, look)


def read(families: Mapping[str, Sequence[Family]], at_s: float) -> Look:
    """What the cockpit needs of all samples; a process without any did not answer."""
    buckets: defaultdict[Bucket, float] = defaultdict(float)
    codes: defaultdict[Code, float] = defaultdict(float)
    workers = set()
    for process, some in families.items():
        for family in some:
            for sample in family.samples:
                if sample.name == _BUCKETS:
                    workers.add(process)
                    route = sample.labels["route"]
                    if route not in WAITING:
                        kind = "reserve" if route == RESERVE else "other"
                        buckets[process, kind, float(sample.labels["le"])] += sample.value
                elif sample.name in (_PROBLEMS, _RESERVED):
                    codes[process, sample.labels["code"]] += sample.value
    silent = sorted(name for name, some in families.items() if not some)
    return Look(at_s, buckets, codes, len(workers), silent)


def compare(last: Look | None, look: Look) -> RequestFigures:
    """The rates between two looks; without a recent one only who is there."""
    took_s = look.at_s - last.at_s if last is not None else 0.0
    if last is None or not 0 < took_s <= MAX_WINDOW_S:
        return RequestFigures(workers=look.workers, silent=look.silent)
    rates: defaultdict[str, float] = defaultdict(float)
    for place, value in look.codes.items():
        if place[1] not in _GOOD:
            rates[place[1]] += _rise(last.codes.get(place, 0.0), value)
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


def _rise(before: float, after: float) -> float:
    """A process that began anew counts from 0."""
    return after - before if after >= before else after


def _pace(last: Look, look: Look, kind: str, took_s: float) -> Pace:
    totals: defaultdict[float, float] = defaultdict(float)
    for place, value in look.buckets.items():
        if place[1] == kind:
            totals[place[2]] += _rise(last.buckets.get(place, 0.0), value)
    most = totals.get(float("inf"), 0.0)
    return Pace(round(most / took_s, 2), _within(totals, most, 0.5), _within(totals, most, 0.99))


def _within(totals: Mapping[float, float], most: float, share: float) -> float | None:
    """The bound of the bucket, in ms, under which this share of the requests stayed."""
    if not most:
        return None
    found = min(bound for bound, total in totals.items() if total >= most * share)
    return None if found == float("inf") else round(found * 1000, 3)
