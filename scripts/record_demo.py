"""Plays the demo and draws what it showed as one animated SVG: `make recording`.

A picture of a terminal without a terminal: the frames are the demo's own view, each line is drawn
once and used by every frame that has it, and CSS turns the pages. Where nothing moves (printed, or
with reduced motion) the last page stands: the summary and the audit.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import MONOKAI

from livesale.demo.options import DemoOptions
from livesale.demo.play import Result, play
from livesale.demo.scene import Scene
from livesale.demo.stage import settings_of_the_demo
from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.view import WIDTH, panel
from livesale.settings import load_settings

EVERY_S = 0.4  # between two frames of the recording
SHOWN_S = 0.2  # how long each is shown
PAGE_SHOWN_S = 6.0  # and each of the pages that it ends with
PAGES = 2
MAX_FRAMES = 90

CELL_W, CELL_H, FONT_PX, PAD = 8.4, 18, 14, 16
PAPER, INK = "#1b1d23", "#d7dae0"
PROMPT = "$ make demo"
SHADES = {"█": 1.0, "▓": 0.65, "░": 0.3}  # blocks, which fonts draw with gaps, and their ink

Line = tuple[Segment, ...]
Frame = tuple[Line, ...]


class Film:
    """Frames as lines of styled text."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._console = Console(
            file=StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor"
        )

    def take(self, *shown: RenderableType) -> None:
        lines: list[Line] = [(Segment(PROMPT, Style(bold=True)),), ()]
        for what in shown:
            found = self._console.render_lines(what, pad=False)
            lines.extend(tuple(Segment.simplify(segments)) for segments in found)
        self.frames.append(tuple(lines))

    def thin_out(self, most: int) -> None:
        """Keep at most so many frames, evenly spread."""
        self.frames = self.frames[:: max(1, -(-len(self.frames) // most))]


async def record(options: DemoOptions, folder: Path) -> tuple[Film, Result]:
    """Play the demo; a frame every 0.4 s while it is open, then what it says at the end."""
    film, scene = Film(), Scene(options)
    scene.stores = options.stores
    playing = asyncio.create_task(
        play(settings_of_the_demo(load_settings(), options, folder), options, scene)
    )
    while not playing.done():
        if scene.opens and not scene.over:
            film.take(panel(scene))
        await asyncio.wait([playing], timeout=EVERY_S)
    result = playing.result()
    film.thin_out(MAX_FRAMES)
    film.take(table_of_checks(result.checks, []))
    film.take(
        summary(result.figures),
        table_of_checks([], result.audit),
        closing(result.ok, result.figures.took_s),
    )
    return film, result


def draw(film: Film) -> str:
    """The film as SVG, without a font, a script or anything else to load."""
    rows = max(map(len, film.frames))
    width, height = round(WIDTH * CELL_W + 2 * PAD), rows * CELL_H + 2 * PAD
    names: dict[Line, str] = {}
    pages = []
    for number, frame in enumerate(film.frames):
        uses = [
            f'<use href="#{names.setdefault(line, f"l{len(names)}")}" y="{row * CELL_H}"/>'
            for row, line in enumerate(frame)
            if line
        ]
        # Opaque: for one refresh of the screen two frames may both be there.
        pages.append(f'<g class="f" id="f{number}"><use href="#paper"/>{"".join(uses)}</g>')
    lines = "".join(f'<g id="{name}">{_line(line)}</g>' for line, name in names.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'role="img"><title>livesale demo: a crowd buys, and the books are audited</title>'
        f"<style>text{{font:{FONT_PX}px ui-monospace,SFMono-Regular,Menlo,Consolas,"
        f"'DejaVu Sans Mono',monospace}}{_turning(len(film.frames))}</style>"
        f'<defs>{lines}<rect id="paper" x="{-PAD}" y="{-PAD}" width="{width}" height="{height}" '
        f'rx="10" fill="{PAPER}"/></defs><rect width="100%" height="100%" rx="10" fill="{PAPER}"/>'
        f'<g transform="translate({PAD} {PAD})">{"".join(pages)}</g></svg>\n'
    )


def _turning(frames: int) -> str:
    """One frame after the other, for ever; only the last one where nothing may move."""
    moving = frames - PAGES
    total_s = moving * SHOWN_S + PAGES * PAGE_SHOWN_S
    starts = [n * SHOWN_S for n in range(moving)]
    starts += [moving * SHOWN_S + n * PAGE_SHOWN_S for n in range(PAGES)]
    delays = "".join(f"#f{n}{{animation-delay:{at_s:.1f}s}}" for n, at_s in enumerate(starts))
    pages = ",".join(f"#f{n}" for n in range(moving, frames))
    return (
        f".f{{visibility:hidden}}#f{frames - 1}{{visibility:visible}}"
        f"@media (prefers-reduced-motion:no-preference){{#f{frames - 1}{{visibility:hidden}}"
        f".f{{animation:frame {total_s:.1f}s step-end infinite}}"
        f"{pages}{{animation-name:page}}{delays}}}"
        f"@keyframes frame{{0%{{visibility:visible}}{_percent(SHOWN_S, total_s)}"
        f"{{visibility:hidden}}}}"
        f"@keyframes page{{0%{{visibility:visible}}{_percent(PAGE_SHOWN_S, total_s)}"
        f"{{visibility:hidden}}}}"
    )


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.3f}%"


def _line(line: Line) -> str:
    """One line: papers first, ink over them."""
    papers, inks, column = [], [], 0
    for text, style, _ in line:
        if style is not None and style.bgcolor is not None:
            paper = style.bgcolor.get_truecolor(MONOKAI).hex
            papers.append(_box(column, Segment(text).cell_length, paper))
        for piece in _pieces(text):
            cells = Segment(piece).cell_length
            if piece[0] in SHADES:
                inks.append(_box(column, cells, _ink(style), SHADES[piece[0]]))
            elif not piece.isspace():
                inks.append(
                    f'<text x="{column * CELL_W:.1f}" y="{FONT_PX}" '
                    f'textLength="{cells * CELL_W:.1f}" lengthAdjust="spacingAndGlyphs" '
                    f'fill="{_ink(style)}"{_weight(style)}>{escape(piece)}</text>'
                )
            column += cells
    return "".join((*papers, *inks))


def _pieces(text: str) -> list[str]:
    """Runs of one block; wide spaces, which SVG swallows; and the words."""
    blocks = "".join(SHADES)
    return [
        found[0]
        for found in re.finditer(
            rf"([{blocks}])\1*| {{2,}}|^ | $|(?:(?! {{2}}| $)[^{blocks}])+", text
        )
    ]


def _box(column: int, cells: int, colour: str, opacity: float = 1.0) -> str:
    shade = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return (
        f'<rect x="{column * CELL_W:.1f}" width="{cells * CELL_W:.1f}" height="{CELL_H}" '
        f'fill="{colour}"{shade}/>'
    )


def _ink(style: Style | None) -> str:
    if style is None or style.color is None or style.color.is_default:
        return INK
    return style.color.get_truecolor(MONOKAI).hex


def _weight(style: Style | None) -> str:
    return ' font-weight="bold"' if style is not None and style.bold else ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/demo.svg"))
    parser.add_argument("--buyers", type=int, default=20_000)
    parser.add_argument("--stock", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args(arguments)
    wanted = DemoOptions(buyers=options.buyers, stock=options.stock, seconds=options.seconds)
    with tempfile.TemporaryDirectory(prefix="livesale-recording-") as folder:
        film, result = asyncio.run(record(wanted, Path(folder)))
    if not result.ok:
        Console(stderr=True).print(table_of_checks(result.checks, result.audit))
        return 1
    options.out.write_text(draw(film), encoding="utf-8")
    sys.stdout.write(f"{options.out}: {len(film.frames)} frames\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
