"""A canvas for flat pictures. Its side is 1,000 units, whatever the pixels."""

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

SIDE = 1_000
SHARP = 2  # drawn so many times larger, then made smaller: smooth edges

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Canvas:
    """Shapes over a ground. Colours are `#rrggbb`, or `#rrggbbaa`."""

    def __init__(self, ground: str, *, width: int = SIDE, height: int = SIDE) -> None:
        self._size = width, height
        self._image = Image.new("RGB", (width * SHARP, height * SHARP), ground)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def oval(self, box: Box, fill: str) -> None:
        self._draw.ellipse(_scaled(box), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        self.oval((x - radius, y - radius, x + radius, y + radius), fill)

    def block(
        self,
        box: Box,
        fill: str,
        radius: float = 0,
        corners: tuple[bool, bool, bool, bool] = (True, True, True, True),
    ) -> None:
        """A rectangle; its corners from the upper left, clockwise."""
        self._draw.rounded_rectangle(_scaled(box), radius * SHARP, fill=fill, corners=corners)

    def shape(self, points: Iterable[Point], fill: str) -> None:
        self._draw.polygon([(x * SHARP, y * SHARP) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], fill: str, width: float) -> None:
        """A line with round ends and joints."""
        dots = [(x * SHARP, y * SHARP) for x, y in points]
        self._draw.line(dots, fill=fill, width=round(width * SHARP), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, fill)

    def arc(self, box: Box, start: float, end: float, fill: str, width: float) -> None:
        """A part of an oval's line; degrees from three o'clock, clockwise."""
        x0, y0, x1, y1 = box
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        steps = max(24, round(abs(end - start)))
        angles = [math.radians(start + (end - start) * at / steps) for at in range(steps + 1)]

        def ring(out: float) -> list[Point]:
            wide, high = (x1 - x0) / 2 + out, (y1 - y0) / 2 + out
            return [
                (middle_x + wide * math.cos(angle), middle_y + high * math.sin(angle))
                for angle in angles
            ]

        self.shape([*ring(width / 2), *reversed(ring(-width / 2))], fill)
        for x, y in (ring(0)[0], ring(0)[-1]):
            self.disc(x, y, width / 2, fill)

    def pie(self, box: Box, start: float, end: float, fill: str) -> None:
        self._draw.pieslice(_scaled(box), start, end, fill=fill)

    def shadow(self, box: Box, strength: int = 60) -> None:
        """A soft oval shadow on the ground."""
        over: Any = Image.new("L", self._image.size, 0)
        ImageDraw.Draw(over).ellipse(_scaled(box), fill=strength)
        over = over.filter(ImageFilter.GaussianBlur(16 * SHARP))
        self._image.paste((38, 30, 24), (0, 0), over)

    def shade(self, top: str, bottom: str, box: Box) -> None:
        """A vertical gradient over what is there; the colours have alpha."""
        x0, y0, x1, y1 = (round(side) for side in _scaled(box))
        first, last = _rgba(top), _rgba(bottom)
        for y in range(y0, y1):
            share = (y - y0) / max(1, y1 - y0 - 1)
            mixed = tuple(round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
            self._draw.line([(x0, y), (x1, y)], fill=mixed)

    def png(self) -> bytes:
        small = self._image.resize(self._size, Image.Resampling.LANCZOS)
        target = io.BytesIO()
        small.save(target, "PNG", optimize=False, compress_level=6)
        return target.getvalue()


def curve(start: Point, bend: Point, other: Point, end: Point, steps: int = 40) -> list[Point]:
    """The points of a cubic Bézier curve."""
    found = []
    for step in range(steps + 1):
        t = step / steps
        parts = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
        dots = (start, bend, other, end)
        found.append(
            (
                sum(part * dot[0] for part, dot in zip(parts, dots, strict=True)),
                sum(part * dot[1] for part, dot in zip(parts, dots, strict=True)),
            )
        )
    return found


def leaf(x: float, y: float, length: float, width: float, angle: float) -> list[Point]:
    """A pointed leaf from a stem at (x, y); 0 degrees points up."""
    turn = math.radians(angle)
    sides = curve((0, 0), (-width, -length * 0.35), (-width * 0.6, -length * 0.8), (0, -length))
    sides += curve((0, -length), (width * 0.6, -length * 0.8), (width, -length * 0.35), (0, 0))
    return [
        (
            x + dx * math.cos(turn) - dy * math.sin(turn),
            y + dx * math.sin(turn) + dy * math.cos(turn),
        )
        for dx, dy in sides
    ]


def _scaled(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return x0 * SHARP, y0 * SHARP, x1 * SHARP, y1 * SHARP


def _rgba(colour: str) -> tuple[int, ...]:
    digits = colour.lstrip("#").ljust(8, "f")
    return tuple(int(digits[at : at + 2], 16) for at in (0, 2, 4, 6))
