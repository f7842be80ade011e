"""Places and hours. No I/O.

A place is also a point on a sphere of radius 1. The haversine of the angle between two of them is a
quarter of the square of their chord: SQL needs no functions of angles for it, and SQLite has none
for sure.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

EARTH_M = 6_371_008.8
WEEK_MIN = 7 * 1440


class Opening(Struct, frozen=True, forbid_unknown_fields=True):
    """Open on a day of the week (1 is Monday), in minutes after midnight of the store's clock."""

    day: Annotated[int, Meta(ge=1, le=7)]
    opens_min: Annotated[int, Meta(ge=0, le=1439)]
    closes_min: Annotated[int, Meta(ge=1, le=1440)]


class Box(Struct, frozen=True):
    """A range of latitudes, and up to two of longitudes: it may go over the line of dates."""

    south: float
    north: float
    sides: tuple[tuple[float, float], ...]


def point_of(lat: float, lng: float) -> tuple[float, float, float]:
    """The place on a sphere of radius 1."""
    at, along = math.radians(lat), math.radians(lng)
    return math.cos(at) * math.cos(along), math.cos(at) * math.sin(along), math.sin(at)


def metres_of(chord_squared: float) -> int:
    """The distance on earth of two points."""
    return round(2 * EARTH_M * math.asin(math.sqrt(min(1.0, max(0.0, chord_squared / 4)))))


def chord_squared_of(metres: float) -> float:
    return 4 * math.sin(metres / EARTH_M / 2) ** 2


def box_around(lat: float, lng: float, metres: float) -> Box:
    """A box with every place that is so near."""
    angle = metres / EARTH_M
    by = math.degrees(angle)
    south, north = lat - by, lat + by
    if south <= -90 or north >= 90:  # all around a pole
        return Box(max(south, -90.0), min(north, 90.0), ((-180.0, 180.0),))
    wide = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(lat)))) + 1e-9
    west, east = lng - wide, lng + wide
    if west < -180:
        return Box(south, north, ((-180.0, east), (west + 360, 180.0)))
    if east > 180:
        return Box(south, north, ((west, 180.0), (-180.0, east - 360)))
    return Box(south, north, ((west, east),))


def wrong_hours(hours: Sequence[Opening]) -> str:
    """Why these cannot be; empty if they can."""
    found = sorted(hours, key=lambda part: (part.day, part.opens_min))
    if any(part.opens_min >= part.closes_min for part in found):
        return "It opens before it closes; split hours at midnight."
    for one, other in itertools.pairwise(found):
        if one.day == other.day and other.opens_min < one.closes_min:
            return "Two of them are at the same time."
    return ""


def is_open(hours: Sequence[Opening], utc_offset_min: int, at_ms: int) -> bool:
    """Whether it is open at that time."""
    # 1970 began on a Thursday.
    minute = (at_ms // 60_000 + utc_offset_min + 3 * 1440) % WEEK_MIN
    day, at = minute // 1440 + 1, minute % 1440
    return any(part.day == day and part.opens_min <= at < part.closes_min for part in hours)
