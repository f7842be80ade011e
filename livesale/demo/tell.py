"""Tells the scene in plain lines: in a pipe, in a log, on a terminal too small for the panel."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from livesale.demo.beside import beside
from livesale.demo.scene import Scene
from livesale.demo.view import milliseconds
from livesale.printing.wording import counted

LINE_S = 1.0
SOLD_LINE_S = 5.0  # between two lines once everything is sold: little happens any more


class Teller:
    """Remembers what it has told: nothing is said twice. No I/O."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._events = 0
        self._phase = ""
        self._figures = ""
        self._told_s = -SOLD_LINE_S

    def news(self, at_s: float) -> list[str]:
        """The lines for what is new. `at_s` is any clock that only rises."""
        scene = self._scene
        lines = [f"{clock(when_s)}  * {what}" for when_s, what in scene.events[self._events :]]
        self._events = len(scene.events)
        if scene.phase != self._phase:
            self._phase = scene.phase
            lines.append(f"{'':10}{scene.phase}")
        if scene.opens and not scene.over and scene.now_s >= 0:
            shown, stand = figures(scene), scene.stand
            sold = 0 < stand.allotted == stand.sold
            due = at_s - self._told_s >= (SOLD_LINE_S if sold else 0)
            if due and shown != self._figures:
                self._figures, self._told_s = shown, at_s
                lines.append(f"{clock(scene.now_s)}  {shown}")
        return lines


@asynccontextmanager
async def told(news: Callable[[float], list[str]]) -> AsyncIterator[None]:
    """Print the news every second while open. A closed pipe ends the body: BrokenPipeError."""

    def say() -> None:
        for text in news(time.monotonic()):
            print(text, flush=True)

    async def tell() -> None:
        while True:
            say()
            await asyncio.sleep(LINE_S)

    async with beside(tell()):
        yield
    say()


def figures(scene: Scene) -> str:
    """The books, the rates and SQL in one line."""
    stand = scene.stand
    lag = f"lag {scene.lag}" if scene.lag else "no lag"
    sql = f"{counted(scene.orders_in_sql, 'order')}, {lag}" if scene.sql_seen else "–"
    return (
        f"sold {stand.sold:>5,}  held {stand.held:>5,}  left {stand.available:>5,} | "
        f"{scene.rate_now:>6,.0f} req/s  p50 {milliseconds(scene, 50)}  "
        f"p99 {milliseconds(scene, 99)} so far | SQL {sql}"
    )


def clock(at_s: float) -> str:
    """Seconds from the opening, signed; never minus nothing."""
    return f"{round(at_s, 1) + 0.0:+6.1f} s"
