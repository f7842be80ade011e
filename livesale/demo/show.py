"""Shows the demo: live on a terminal, as lines in a pipe, or as JSON."""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from livesale.demo.beside import beside
from livesale.demo.options import DemoOptions
from livesale.demo.play import Result, play
from livesale.demo.room import Show
from livesale.demo.sale import Sale
from livesale.demo.scene import Scene
from livesale.demo.stage import LOG_FILE, settings_of_the_demo
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.tell import LINE_S, Teller
from livesale.demo.view import fits, panel
from livesale.printing.output import print_json, print_out
from livesale.processes.signals import end_as_ctrl_c_does
from livesale.settings import Settings

FRAME_S = 0.125
LOG_LINES = 20
INTERRUPTED = 130


def run(settings: Settings, options: DemoOptions) -> int:
    """Run the demo. Returns the exit code: 0 only if every promise held, 130 after Ctrl-C.

    Raises Refused if it may not start, another LivesaleError if it could not run.
    """
    with tempfile.TemporaryDirectory(prefix="livesale-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = settings_of_the_demo(settings, options, folder)
        try:
            result = asyncio.run(_show(settings, Scene(options)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("livesale: the demo was interrupted; nothing is left running", file=sys.stderr)
            return INTERRUPTED
        except Exception:
            _show_log(folder)
            raise
        if not result.ok:
            _show_log(folder)
    return 0 if result.ok else 1


async def play_scene(settings: Settings, scene: Scene) -> Result:
    """The scenario of the options. See livesale.demo.play."""
    return await play(settings, scene, Show if scene.options.live else Sale)


async def _show(settings: Settings, scene: Scene) -> Result:
    end_as_ctrl_c_does()
    if scene.options.json:
        result = await play_scene(settings, scene)
        print_json({"options": scene.options, **msgspec.to_builtins(result)})
        return result
    console = Console(highlight=False)
    drawn = sys.stdout.isatty() and fits(*console.size)
    async with _drawn(console, scene) if drawn else _told(Teller(scene).news):
        result = await play_scene(settings, scene)
    print_out(
        summary(result.figures),
        table_of_checks(result.checks, result.audit),
        closing(result.ok, result.figures.took_s),
    )
    return result


@asynccontextmanager
async def _drawn(console: Console, scene: Scene) -> AsyncIterator[None]:
    """The live panel; its last frame stays on screen."""
    with Live(panel(scene, *console.size), console=console, auto_refresh=False) as live:

        async def draw() -> None:
            while True:
                live.update(panel(scene, *console.size), refresh=True)
                await asyncio.sleep(FRAME_S)

        async with beside(draw()):
            yield
        live.update(panel(scene, *console.size), refresh=True)


@asynccontextmanager
async def _told(news: Callable[[float], list[str]]) -> AsyncIterator[None]:
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


def _show_log(folder: Path) -> None:
    """The last lines of the processes' log, to find the cause."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / LOG_FILE).read_text("utf-8", "replace").splitlines()
        for text in lines[-LOG_LINES:]:
            print(text, file=sys.stderr)
