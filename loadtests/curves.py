"""How many people take part, second by second. Pure: shapes.py passes it to Locust.

Each curve takes the seconds since the start, the maximum of people and the length of the test. It
returns how many people to have and how many to start a second, or None when the test is over.
"""

import math
from collections.abc import Sequence

Crowd = tuple[int, float] | None

STEP_S = 10.0  # one step of the ramp: as long as Locust's window of current percentiles
ROOM_S = 8.0  # before and after each drop a live room is full
QUIET = 0.4  # share of the people in a live room between drops
FILL = 0.2  # share of the test before the opening, in which the crowd gathers and logs in


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
    # People leave at the same rate at which they come.
    return (people if near else max(1, round(QUIET * people))), _rate(people, ROOM_S / 2)


def soak(at_s: float, people: int, lasts_s: float) -> Crowd:
    """A slow rise, then the same load until the end."""
    if at_s >= lasts_s:
        return None
    return people, _rate(people, min(30.0, lasts_s / 10))


def ramp(at_s: float, people: int, lasts_s: float, broken: bool) -> Crowd:
    """Equal steps up to `people`, until something breaks."""
    if at_s >= lasts_s or broken:
        return None
    steps = max(1, math.ceil(lasts_s / STEP_S))
    step = min(steps, int(at_s / STEP_S) + 1)
    return max(1, people * step // steps), _rate(people / steps, STEP_S / 5)


def _rate(people: float, within_s: float) -> float:
    return max(1.0, people / max(1.0, within_s))
