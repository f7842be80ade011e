"""Prints the scene as plain lines: into a pipe, a log or a small terminal."""

from livesale.demo.scene import Scene
from livesale.demo.view import milliseconds
from livesale.printing.wording import counted

LINE_S = 1.0
SLOW_LINE_S = 5.0  # between two lines once everything is sold


class Teller:
    """Makes the lines, and remembers which it has made. No I/O."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._events = 0
        self._phase = ""
        self._figures = ""
        self._told_s = -SLOW_LINE_S

    def news(self, at_s: float) -> list[str]:
        """The lines for news. `at_s` is any monotonic clock."""
        scene = self._scene
        lines = [f"{clock(when_s)}  * {what}" for when_s, what in scene.events[self._events :]]
        self._events = len(scene.events)
        if scene.phase != self._phase:
            self._phase = scene.phase
            lines.append(f"{'':10}{scene.phase}")
        if scene.begun_ms is not None and not scene.over and scene.now_s >= 0:
            shown = figures(scene)
            due = at_s - self._told_s >= (SLOW_LINE_S if scene.sold_out else 0)
            if due and shown != self._figures:
                self._figures, self._told_s = shown, at_s
                lines.append(f"{clock(scene.now_s)}  {shown}")
        return lines


def figures(scene: Scene) -> str:
    """The books, the rates and SQL in one line; a show begins with its room."""
    stand, room = scene.stand, scene.room
    lag = f"lag {scene.lag}" if scene.lag else "no lag"
    sql = f"{counted(scene.orders_in_sql, 'order')}, {lag}" if scene.sql_seen else "–"
    books = f"sold {stand.sold:>5,}  held {stand.held:>5,}  left {stand.available:>5,} | "
    if room is not None:
        return (
            f"{room.connected:,} connected | {books}{room.likes:,} likes | "
            f"{counted(room.events_told, 'event')} told | SQL {sql}"
        )
    return (
        f"{books}{scene.rate_now:>6,.0f} req/s  p50 {milliseconds(scene, 50)}  "
        f"p99 {milliseconds(scene, 99)} so far | SQL {sql}"
    )


def clock(at_s: float) -> str:
    """Seconds from the opening, signed; never -0.0."""
    return f"{round(at_s, 1) + 0.0:+6.1f} s"
