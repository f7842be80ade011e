"""Runs the demo and draws its screen as one SVG: `make recording`.

The panel in the middle of the sale, then the text at the end. Rich draws it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI

from livesale.demo.options import DemoOptions
from livesale.demo.play import Result
from livesale.demo.scene import Scene
from livesale.demo.show import play_scene
from livesale.demo.stage import settings_of_the_demo
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.view import WIDTH, panel
from livesale.settings import load_settings

EVERY_S = 0.1


async def record(options: DemoOptions, folder: Path) -> tuple[list[RenderableType], Result]:
    """Run the demo; returns the panel when half of the units are paid, and the pages at the end."""
    scene, middle = Scene(options), None
    playing = asyncio.create_task(
        play_scene(settings_of_the_demo(load_settings(), options, folder), scene)
    )
    while not playing.done():
        if middle is None and scene.stand.sold * 2 > options.stock:
            middle = panel(scene)
        await asyncio.wait([playing], timeout=EVERY_S)
    result = playing.result()
    end = (
        summary(result.figures),
        table_of_checks(result.checks, result.audit),
        closing(result.ok, result.figures.took_s),
    )
    return [middle or panel(scene), *end], result


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/demo.svg"))
    parser.add_argument("--live", action="store_true", help="the show instead")
    options = parser.parse_args(arguments)
    wanted = DemoOptions(live=True, people=300, stock=100, workers=2)
    with tempfile.TemporaryDirectory(prefix="livesale-recording-") as folder:
        pages, result = asyncio.run(record(wanted if options.live else DemoOptions(), Path(folder)))
    if not result.ok:
        Console(stderr=True).print(table_of_checks(result.checks, result.audit))
        return 1
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(*pages, sep="\n")
    console.save_svg(str(options.out), title="make demo", theme=MONOKAI)
    sys.stdout.write(f"{options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
