"""Draws the show as a live panel that fits the terminal. No I/O."""

from rich.cells import set_cell_size
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from livesale.demo.live.scene import COMMENTS, LiveScene
from livesale.demo.view import LABEL_WIDTH, LEFT, SOLD, WIDTH, answers, cells_of, framed
from livesale.printing.wording import counted

EVENTS_SHOWN = 6
_FRAME_WIDTH = 6
_FRAME_HEIGHT = 20  # every line but the events
_UNKNOWN = "–"
_PHASES = {
    "": ("◌", "the drop is prepared", "cyan"),
    "prepared": ("◌", "the drop is prepared", "cyan"),
    "open": ("●", "ON SALE", "bold red"),
    "sold_out": ("●", "SOLD OUT", "bold green"),
    "paused": ("●", "paused", "yellow"),
    "closed": ("●", "closed", "grey62"),
}


def panel(scene: LiveScene, width: int = WIDTH, height: int = 0) -> RenderableType:
    """The whole view: at most 96 columns, and one line less than `height`, where there is one."""
    width = min(WIDTH, width)
    inside = width - _FRAME_WIDTH
    spare = height - 1 - _FRAME_HEIGHT if height else EVENTS_SHOWN
    comments = COMMENTS + 1 if spare > 0 else 0
    events = max(1, min(EVENTS_SHOWN, spare + COMMENTS + 1 - comments))
    body = Group(
        _headline(scene),
        Text(),
        _sale(scene),
        _bar(scene.allotted - scene.remaining, scene.remaining, inside),
        Text(),
        _figures(scene, inside),
        Text(),
        *((_comments(scene, inside), Text()) if comments else ()),
        _timeline(scene, events),
    )
    return framed(body, scene.options.cast, f"{scene.url}  {scene.stores}", width)


def _headline(scene: LiveScene) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if scene.state == "live":
        line.append(" LIVE ", "bold white on red")
    else:
        line.append(scene.state.upper() or "◌", "bold cyan")
    line.append(f"  {scene.title or scene.phase}", "bold")
    if scene.state:
        line.append(f"   {scene.now_s:5.1f} s", "grey62")
        line.append(f"   ● {scene.online:,} watch", "green")
        line.append(f"   ♥ {scene.likes:,}", "magenta")
    if scene.over:
        line.append(f"   {scene.phase}", "cyan")
    return line


def _sale(scene: LiveScene) -> Text:
    if scene.drop_phase == "opening":
        line = Text.assemble(
            ("◌ ", "cyan"), ("opens in ", "bold"), (f"{scene.opens_in_s:.1f} s", "bold cyan")
        )
    else:
        mark, words, style = _PHASES[scene.drop_phase]
        line = Text.assemble((f"{mark} ", style), (words, style))
    if scene.allotted:
        line.append(f"   {scene.remaining:,} of {scene.allotted:,} left", "bold")
    if scene.drop:
        line.append(f"   {scene.drop}", "grey62")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _bar(gone: int, left: int, width: int) -> Text:
    """Stock melts from the right."""
    bar = Text(no_wrap=True)
    if not gone + left:
        return bar.append("·" * width, "grey37")
    for cells, (glyph, style) in zip(cells_of([gone, left], width), (SOLD, LEFT), strict=True):
        bar.append(glyph * cells, style)
    return bar


def _figures(scene: LiveScene, width: int) -> Table:
    room = width - LABEL_WIDTH
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="grey62", no_wrap=True, width=LABEL_WIDTH - 1)
    grid.add_column(no_wrap=True, max_width=room, overflow="crop")
    grid.add_row("explains", Text(scene.pinned or _UNKNOWN, "bold"))
    grid.add_row("lucky bag", Text(scene.bag or _UNKNOWN))
    grid.add_row("sockets", _sockets(scene, room))
    grid.add_row("told", _told(scene))
    grid.add_row("answers", answers(scene.answers, room))
    return grid


def _sockets(scene: LiveScene, width: int) -> Text:
    """Who is connected now: a storm empties the bar."""
    count = len(f"{scene.options.viewers:,}") * 2 + 4
    size = max(1, min(40, width - count - len(scene.storm) - 3))
    gone = scene.options.viewers - scene.connected
    bar = Text()
    for cells, (glyph, style) in zip(
        cells_of([scene.connected, gone], size), (("■", "green"), ("·", "red")), strict=True
    ):
        bar.append(glyph * cells, style)
    bar.append(f" {scene.connected:,} of {scene.options.viewers:,}", "bold")
    if scene.storm:
        bar.append(f"   {scene.storm}", "grey62")
    return bar


def _told(scene: LiveScene) -> Text:
    if not scene.late_ms:
        return Text(_UNKNOWN)
    late = sorted(scene.late_ms)
    p99 = late[int(len(late) * 0.99)]
    return Text.assemble(
        (f"{scene.events_told:,}", "bold"),
        (" events, each in its turn; of the drop after p50 ", "grey62"),
        (f"{late[len(late) // 2]:.0f}", "bold"),
        ("  p99 ", "grey62"),
        (f"{p99:.0f} ms", "bold"),
    )


def _comments(scene: LiveScene, width: int) -> Text:
    lines = []
    for name, text in scene.comments:
        shown = set_cell_size(f"{name[-4:]:>4}", 5)
        lines.append(Text.assemble((f"{shown} ", "cyan"), set_cell_size(text, width - 8).rstrip()))
    lines += [Text()] * (COMMENTS - len(lines))
    return Text("\n", no_wrap=True).join(lines)


def _timeline(scene: LiveScene, rows: int) -> Text:
    shown = scene.events[-rows:]
    lines = [Text.assemble((f"{at_s:7.1f} s  ", "grey50"), what) for at_s, what in shown]
    lines += [Text()] * (rows - len(lines))
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def figures(scene: LiveScene) -> str:
    """One line, where there is no panel."""
    left = f"{scene.remaining:,} of {scene.allotted:,} left" if scene.allotted else "no drop yet"
    return (
        f"{scene.connected:,} connected | {left} | {scene.likes:,} likes | "
        f"{counted(scene.events_told, 'event')} told"
    )
