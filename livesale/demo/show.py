"""Plays the demo in front of somebody: on a terminal, in a pipe, or as JSON for a program."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from livesale.demo.beside import beside
from livesale.demo.options import DemoOptions, LiveOptions, Options
from livesale.demo.piece import SalePiece
from livesale.demo.stage import LOG_FILE, settings_of_the_demo
from livesale.demo.tell import told
from livesale.demo.view import fits
from livesale.printing.output import print_json, print_out
from livesale.processes.signals import end_as_ctrl_c_does
from livesale.settings import Settings

FRAME_S = 0.125
LOG_LINES = 20
INTERRUPTED = 130


class Outcome(Protocol):
    @property
    def ok(self) -> bool: ...


class Piece(Protocol):
    """Something to be played before an audience, on a whole system."""

    @property
    def options(self) -> Options: ...

    async def play(self, settings: Settings) -> Outcome:
        """To its end, with the audit. Raises Refused, or another LivesaleError."""
        ...

    def panel(self, width: int, height: int) -> RenderableType:
        """What is to be seen now."""
        ...

    def news(self, at_s: float) -> list[str]:
        """Plain lines for what is new. `at_s` is any clock that only rises."""
        ...

    def pages(self, result: Any) -> Iterable[RenderableType]:
        """The end on paper, of what `play` gave."""
        ...


def run(settings: Settings, options: Options) -> int:
    """Play the demo; the exit code: 0 only if every promise held, 130 after Ctrl-C.

    Raises Refused when it may not start, another LivesaleError when it could not be played.
    """
    with tempfile.TemporaryDirectory(prefix="livesale-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = settings_of_the_demo(settings, options, folder)
        try:
            result = asyncio.run(_show(settings, _piece(options)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("livesale: the demo was interrupted; nothing is left running", file=sys.stderr)
            return INTERRUPTED
        except Exception:
            _show_log(folder)
            raise
        if not result.ok:
            _show_log(folder)
    return 0 if result.ok else 1


def _piece(options: Options) -> Piece:
    if isinstance(options, LiveOptions):
        from livesale.demo.live.piece import LivePiece

        return LivePiece(options)
    assert isinstance(options, DemoOptions)  # noqa: S101  there are no others
    return SalePiece(options)


async def _show(settings: Settings, piece: Piece) -> Outcome:
    end_as_ctrl_c_does()
    if piece.options.json:
        result = await piece.play(settings)
        found = {"options": piece.options, **msgspec.to_builtins(result)}
        print_json(found)
        return result
    console = Console(highlight=False)
    drawn = sys.stdout.isatty() and fits(*console.size)
    async with _drawn(console, piece) if drawn else told(piece.news):
        result = await piece.play(settings)
    print_out(*piece.pages(result))
    return result


@asynccontextmanager
async def _drawn(console: Console, piece: Piece) -> AsyncIterator[None]:
    """The live panel; its last frame stays."""
    with Live(piece.panel(*console.size), console=console, auto_refresh=False) as live:

        async def draw() -> None:
            while True:
                live.update(piece.panel(*console.size), refresh=True)
                await asyncio.sleep(FRAME_S)

        async with beside(draw()):
            yield
        live.update(piece.panel(*console.size), refresh=True)


def _show_log(folder: Path) -> None:
    """The last words of the processes, for whoever has to find out."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / LOG_FILE).read_text("utf-8", "replace").splitlines()
        for text in lines[-LOG_LINES:]:
            print(text, file=sys.stderr)
