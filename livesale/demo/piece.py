"""The flash sale as a piece that livesale.demo.show plays."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType

from livesale.demo.options import DemoOptions
from livesale.demo.play import Result, play
from livesale.demo.scene import Scene
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.tell import Teller
from livesale.demo.view import panel
from livesale.settings import Settings


class SalePiece:
    """See livesale.demo.show.Piece."""

    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self._scene = Scene(options, stores=options.stores)
        self._teller = Teller(self._scene)

    async def play(self, settings: Settings) -> Result:
        return await play(settings, self.options, self._scene)

    def panel(self, width: int, height: int) -> RenderableType:
        return panel(self._scene, width, height)

    def news(self, at_s: float) -> list[str]:
        return self._teller.news(at_s)

    def pages(self, result: Any) -> Iterator[RenderableType]:
        yield summary(result.figures)
        yield table_of_checks(result.checks, result.audit)
        yield closing(result.ok, result.figures.took_s)
