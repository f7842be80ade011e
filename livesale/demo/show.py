"""Plays the demo in front of somebody: on a terminal, in a pipe, or as JSON for a program."""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from livesale.demo.options import DemoOptions
from livesale.demo.play import Result, play
from livesale.demo.scene import Scene
from livesale.demo.stage import LOG_FILE, settings_of_the_demo
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.view import line, panel
from livesale.run_folder import run_folder
from livesale.settings import Settings

FRAME_S = 0.125
LINE_S = 1.0
PIPE_WIDTH = 140
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
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  asyncio.run made one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    scene = Scene(options)
    scene.stores = f"{_store(options.redis, 'Valkey')} · {_store(options.sql, 'SQLite')}"
    if options.json:
        result = await play(settings, options, scene)
        print(msgspec.json.encode({"options": options, **msgspec.to_builtins(result)}).decode())
        return result
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else PIPE_WIDTH)
    async with _drawn(console, scene) if terminal else _told(scene):
        result = await play(settings, options, scene)
    console.print(summary(result.figures))
    console.print(table_of_checks(result.checks, result.audit))
    console.print(closing(result.ok, result.figures.took_s))
    return result


@asynccontextmanager
async def _drawn(console: Console, scene: Scene) -> AsyncIterator[None]:
    """The live panel; its last frame stays."""
    with Live(panel(scene), console=console, auto_refresh=False) as live:

        async def draw() -> None:
            while True:
                live.update(panel(scene), refresh=True)
                await asyncio.sleep(FRAME_S)

        async with _while_open(draw()):
            yield
        live.update(panel(scene), refresh=True)


@asynccontextmanager
async def _told(scene: Scene) -> AsyncIterator[None]:
    """A line a second, and one for every event."""
    options = scene.options
    print(
        f"livesale demo: {options.buyers:,} buyers, {options.stock:,} units, "
        f"{options.workers} API workers, {scene.stores}",
        flush=True,
    )

    async def tell() -> None:
        told, phase = 0, ""
        while True:
            for at_s, what in scene.events[told:]:
                print(f"{at_s:+6.1f} s  * {what}", flush=True)
            told = len(scene.events)
            if scene.opens and not scene.over:
                print(line(scene), flush=True)
            elif scene.phase != phase:
                phase = scene.phase
                print(f"          {phase}", flush=True)
            await asyncio.sleep(LINE_S)

    async with _while_open(tell()):
        yield


@asynccontextmanager
async def _while_open(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _store(address: str | None, embedded: str) -> str:
    if address in (None, "embedded"):
        return f"embedded {embedded}"
    return "your Redis" if embedded == "Valkey" else "your SQL"


def _show_log(folder: Path) -> None:
    """The last words of the processes, for whoever has to find out."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / LOG_FILE).read_text(errors="replace").splitlines()
        for text in lines[-LOG_LINES:]:
            print(text, file=sys.stderr)
