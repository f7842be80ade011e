"""The show as a piece that livesale.demo.show plays."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from livesale.demo.live.play import LiveResult, play
from livesale.demo.live.scene import LiveScene
from livesale.demo.live.verdict import LiveFigures
from livesale.demo.live.view import figures, panel
from livesale.demo.options import LiveOptions
from livesale.demo.summary import closing, table_of_checks
from livesale.demo.tell import clock
from livesale.operations.audit import report
from livesale.printing.wording import counted
from livesale.settings import Settings

LINE_S = 2.0  # between two lines of figures


class LivePiece:
    """See livesale.demo.show.Piece."""

    def __init__(self, options: LiveOptions) -> None:
        self.options = options
        self.scene = LiveScene(options, stores=options.stores)
        self._told = 0
        self._phase = ""
        self._line_s = 0.0

    async def play(self, settings: Settings) -> LiveResult:
        return await play(settings, self.options, self.scene)

    def panel(self, width: int, height: int) -> RenderableType:
        return panel(self.scene, width, height)

    def news(self, at_s: float) -> list[str]:
        scene = self.scene
        lines = [f"{clock(when_s)}  * {what}" for when_s, what in scene.events[self._told :]]
        self._told = len(scene.events)
        if scene.phase != self._phase:
            self._phase = scene.phase
            lines.append(f"{'':10}{scene.phase}")
        if scene.state and not scene.over and at_s - self._line_s >= LINE_S:
            self._line_s = at_s
            lines.append(f"{clock(scene.now_s)}  {figures(scene)}")
        return lines

    def pages(self, result: Any) -> Iterator[RenderableType]:
        yield summary(result.figures)
        yield table_of_checks(result.checks, result.audit)
        yield closing(result.ok, result.figures.took_s) if result.ok else report.closing(False)


def summary(f: LiveFigures) -> RenderableType:
    """The figures, in the words of a host."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="grey62", no_wrap=True, min_width=9)
    grid.add_column()
    rows = {
        "watched": f"{counted(f.viewers, 'viewer')}, {f.peak:,} at most at once; "
        f"{counted(f.likes, 'like')}",
        "told": f"{counted(f.events_told, 'event')}; what became of the drop after "
        f"p50 {f.told_p50_ms:.0f}  p99 {f.told_p99_ms:.0f} ms, this process included",
        "sold": f"{f.sold:,} of {counted(f.stock, 'unit')}, in {counted(f.orders, 'order')}",
        "lucky bag": f"{counted(f.prizes_claimed, 'prize')} claimed",
        "storm": f"everybody was back with all that was missed after {f.storm_ms:,.0f} ms",
    }
    for name, text in rows.items():
        grid.add_row(name, text)
    return Group(Text(), grid)
