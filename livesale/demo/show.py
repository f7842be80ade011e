"""Plays the demo in front of somebody: on a terminal, in a pipe, or as JSON for a program."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from livesale.demo.beside import beside
from livesale.demo.options import DemoOptions
from livesale.demo.play import Result, play
from livesale.demo.scene import Scene
from livesale.demo.stage import LOG_FILE, settings_of_the_demo
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.tell import told
from livesale.demo.view import fits, panel
from livesale.paper import print_out
from livesale.run_folder import run_folder
from livesale.server.signals import end_as_ctrl_c_does
from livesale.settings import Settings

FRAME_S = 0.125
LOG_LINES = 20
INTERRUPTED = 130


def run(settings: Settings, options: DemoOptions) -> int:
    """Play the demo; the exit code: 0 only if every promise held, 130 after Ctrl-C.

    Raises Refused when it may not start, another LivesaleError when it could not be played.
    """
    with tempfile.TemporaryDirectory(prefix="livesale-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        settings = settings_of_the_demo(settings, options, folder)
        try:
            result = asyncio.run(_show(settings, options))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("livesale: the demo was interrupted; nothing is left running", file=sys.stderr)
            return INTERRUPTED
        except Exception:
            _show_log(folder)
            raise
        finally:
            # Of a deep temp dir it is elsewhere; what it held is gone with its processes.
            shutil.rmtree(run_folder(folder), ignore_errors=True)
        if not result.ok:
            _show_log(folder)
    return 0 if result.ok else 1


async def _show(settings: Settings, options: DemoOptions) -> Result:
    end_as_ctrl_c_does()
    scene = Scene(options)
    scene.stores = options.stores
    if options.json:
        result = await play(settings, options, scene)
        print(msgspec.json.encode({"options": options, **msgspec.to_builtins(result)}).decode())
        return result
    console = Console(highlight=False)
    drawn = sys.stdout.isatty() and fits(*console.size)
    async with _drawn(console, scene) if drawn else told(scene):
        result = await play(settings, options, scene)
    print_out(
        summary(result.figures),
        table_of_checks(result.checks, result.audit),
        closing(result.ok, result.figures.took_s),
    )
    return result


@asynccontextmanager
async def _drawn(console: Console, scene: Scene) -> AsyncIterator[None]:
    """The live panel; its last frame stays."""
    with Live(panel(scene, *console.size), console=console, auto_refresh=False) as live:

        async def draw() -> None:
            while True:
                live.update(panel(scene, *console.size), refresh=True)
                await asyncio.sleep(FRAME_S)

        async with beside(draw()):
            yield
        live.update(panel(scene, *console.size), refresh=True)


def _show_log(folder: Path) -> None:
    """The last words of the processes, for whoever has to find out."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / LOG_FILE).read_text(errors="replace").splitlines()
        for text in lines[-LOG_LINES:]:
            print(text, file=sys.stderr)
