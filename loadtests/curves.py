"""How many people there are, second by second. Pure: shapes.py hands them to Locust.

Each curve takes the seconds since the start, the most people there may be and how long the test
lasts; it answers how many there are to be and how many come a second, or None when it is over.
"""

import math
from collections.abc import Sequence

Crowd = tuple[int, float] | None

STEP_S = 10.0  # of the ramp: as long as Locust's window of current percentiles
ROOM_S = 8.0  # a live room is full for so long around each drop
QUIET = 0.4  # of a live room between drops
FILL = 0.2  # of a test, before the opening, in which the crowd gathers and logs in


def spike(at_s: float, people: int, lasts_s: float) -> Crowd:
    """All gather before the opening, and stay."""
    if at_s >= lasts_s:
        return None
    return people, _rate(people, FILL * lasts_s)


def live_room(at_s: float, people: int, lasts_s: float, opens_s: Sequence[float]) -> Crowd:
    """Full around each drop, half empty between them."""
    if at_s >= lasts_s:
        return None
    near = any(opening - ROOM_S <= at_s < opening + ROOM_S for opening in opens_s)
    # Whoever leaves does so at the same rate: within half of what is left to the next drop.
    return (people if near else max(1, round(QUIET * people))), _rate(people, ROOM_S / 2)


def soak(at_s: float, people: int, lasts_s: float) -> Crowd:
    """A slow rise, then the same load for as long as it takes."""
    if at_s >= lasts_s:
        return None
    return people, _rate(people, min(30.0, lasts_s / 10))


def ramp(at_s: float, people: int, lasts_s: float, broken: bool) -> Crowd:
    """Equal steps up to all of them, until something breaks."""
    if at_s >= lasts_s or broken:
        return None
    steps = max(1, math.ceil(lasts_s / STEP_S))
    step = min(steps, int(at_s / STEP_S) + 1)
    return max(1, people * step // steps), _rate(people / steps, STEP_S / 5)


def _rate(people: float, within_s: float) -> float:
    return max(1.0, people / max(1.0, within_s))
