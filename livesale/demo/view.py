"""Draws the scene as a live panel that fits the terminal. No I/O."""

from collections import Counter

from rich import box
from rich.cells import set_cell_size
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from livesale.demo.scene import COMMENTS, Room, Scene
from livesale.printing.wording import counted

WIDTH = 96
LEAST_WIDTH, LEAST_HEIGHT = 60, 20  # smallest terminal for the panel
SPARK_WIDTH = 48
EVENTS_SHOWN = 7
LABEL_WIDTH = 10  # width of a label, with the blank after it
_FRAME_WIDTH = 6
_FRAME_HEIGHT = 16  # lines of the panel without events
_SHOW_HEIGHT = 18  # the same for a show, without comments
_UNKNOWN = "–"  # not measured yet
_SPARKS = " ▁▂▃▄▅▆▇█"
# Readable without colour, too.
SOLD, HELD, LEFT, BURNED = ("█", "green"), ("▓", "yellow"), ("░", "cyan"), ("×", "red")
_STYLE_OF_ANSWER = {
    "201": "bold green",
    "200": "green",
    "409": "grey62",
    "425": "cyan",
    "503": "red",
}
_PHASES = {
    "": ("◌", "the drop is prepared", "cyan"),
    "prepared": ("◌", "the drop is prepared", "cyan"),
    "open": ("●", "ON SALE", "bold red"),
    "sold_out": ("●", "SOLD OUT", "bold green"),
    "paused": ("●", "paused", "yellow"),
    "closed": ("●", "closed", "grey62"),
}


def fits(width: int, height: int) -> bool:
    """Whether a terminal is large enough for the panel."""
    return width >= LEAST_WIDTH and height >= LEAST_HEIGHT


def panel(scene: Scene, width: int = WIDTH, height: int = 0) -> RenderableType:
    """The whole view: at most 96 columns, and one line less than `height`, if given."""
    width, room = min(WIDTH, width), scene.room
    inside = width - _FRAME_WIDTH
    spare = height - 1 - (_SHOW_HEIGHT if room else _FRAME_HEIGHT) if height else EVENTS_SHOWN + 5
    comments: list[RenderableType] = []
    if room and spare > COMMENTS + 1:
        comments = [_comments(room, inside), Text()]
        spare -= COMMENTS + 1
    body = Group(
        _headline(scene),
        *([_drop(scene, room)] if room else []),
        Text(),
        stock_bar(scene, inside),
        Text(),
        _legend(scene, inside),
        Text(),
        _figures(scene, inside),
        Text(),
        *comments,
        _timeline(scene, max(1, min(EVENTS_SHOWN, spare))),
    )
    return Panel(
        body,
        title=Text.assemble((" livesale ", "bold white on red"), f"  {scene.options.cast} "),
        title_align="left",
        subtitle=Text(f" watch it: {scene.page}  {scene.options.stores} ", "grey50"),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="grey37",
        padding=(1, 2),
        width=width,
    )


def stock_bar(scene: Scene, width: int) -> Text:
    """A bar of the stock: sold, held, available, scrapped."""
    stand = scene.stand
    counts = [stand.sold, stand.held, stand.available, stand.burned]
    bar = Text()
    if not stand.allotted:
        bar.append("·" * width, "grey37")
    else:
        kinds = (SOLD, HELD, LEFT, BURNED)
        for cells, (glyph, style) in zip(cells_of(counts, width), kinds, strict=True):
            bar.append(glyph * cells, style)
    return bar if scene.room else Text("\n").join([bar, bar.copy()])


def cells_of(counts: list[int], width: int) -> list[int]:
    """Split `width` cells in proportion to the counts, at least one for each count above 0."""
    total = max(1, sum(counts))
    cells = [max(1, round(count * width / total)) if count else 0 for count in counts]
    cells[cells.index(max(cells))] += width - sum(cells)
    return cells


def _headline(scene: Scene) -> Text:
    line = _state_of_the_room(scene, scene.room) if scene.room else _state_of_the_sale(scene)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _state_of_the_room(scene: Scene, room: Room) -> Text:
    line = Text()
    if room.state == "live":
        line.append(" LIVE ", "bold white on red")
    else:
        line.append(room.state.upper() or "◌", "bold cyan")
    line.append(f"  {room.title or scene.phase}", "bold")
    if room.state:
        line.append(f"   {scene.now_s:5.1f} s", "grey62")
        line.append(f"   ● {room.online:,} watch", "green")
        line.append(f"   ♥ {room.likes:,}", "magenta")
    if scene.over:
        line.append(f"   {scene.phase}", "cyan")
    return line


def _drop(scene: Scene, room: Room) -> Text:
    """The drop as the screens show it."""
    if room.phase == "opening":
        left_s = max(0.0, room.opens_s - scene.now_s)
        line = Text.assemble(
            ("◌ ", "cyan"), ("opens in ", "bold"), (f"{left_s:.1f} s", "bold cyan")
        )
    else:
        mark, words, style = _PHASES[room.phase]
        line = Text.assemble((f"{mark} ", style), (words, style))
    if room.allotted:
        line.append(f"   {room.remaining:,} of {room.allotted:,} left", "bold")
    if room.drop:
        line.append(f"   {room.drop}", "grey62")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _state_of_the_sale(scene: Scene) -> Text:
    if scene.begun_ms is None:
        return Text.assemble(("◌ ", "cyan"), (scene.phase, "cyan"))
    if scene.now_s < 0:
        return Text.assemble(
            ("◌ ", "cyan"), ("the doors open in ", "bold"), (f"{-scene.now_s:.1f} s", "bold cyan")
        )
    if scene.over:
        return Text.assemble(("● ", "green"), ("the sale is over", "bold"), f"   {scene.phase}")
    stand = scene.stand
    if stand.allotted and stand.sold == stand.allotted:
        mark = Text.assemble(("● ", "green"), ("SOLD OUT", "bold green"), ", every unit is paid")
    elif stand.allotted and not stand.available:
        mark = Text.assemble(("● ", "yellow"), ("ALL HELD", "bold yellow"), ", waiting for money")
    else:
        mark = Text.assemble(("● ", "red"), ("ON SALE", "bold red"))
    mark.append(f"   {scene.now_s:5.1f} s", "bold")
    mark.append(f"   {counted(scene.here, 'buyer')} still to come or waiting", "grey62")
    return mark


def _legend(scene: Scene, width: int) -> Text:
    stand = scene.stand
    parts = []
    kinds = (
        (SOLD, "sold", stand.sold),
        (HELD, "held", stand.held),
        (LEFT, "left", stand.available),
    )
    for (glyph, style), name, count in kinds:
        shown = f"{count:,}" if stand.allotted else _UNKNOWN
        parts.append(
            Text.assemble((f"{glyph} ", style), (f"{name} ", "grey62"), (f"{shown:<7}", "bold"))
        )
    held = scene.samples - len(scene.bad_samples)
    kept = Text.assemble(
        ("   sold + held ≤ stock in ", "grey62"),
        (f"{held:,}/{scene.samples:,}", "bold" if not scene.bad_samples else "bold red"),
        (" samples", "grey62"),
    )
    return _fitting(width, *parts, *([kept] if scene.samples else []))


def _figures(scene: Scene, width: int) -> Table:
    room = width - LABEL_WIDTH
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="grey62", no_wrap=True, width=LABEL_WIDTH - 1)
    grid.add_column(no_wrap=True, max_width=room, overflow="crop")
    if scene.room:
        grid.add_row("explains", Text(scene.room.pinned or _UNKNOWN, "bold"))
        grid.add_row("lucky bag", Text(scene.room.bag or _UNKNOWN))
        grid.add_row("sockets", _sockets(scene, scene.room, room))
        grid.add_row("told", _told(scene.room))
    else:
        grid.add_row("requests", _rates(scene, room))
        grid.add_row("latency", _latency(scene, room))
    grid.add_row("answers", answers(scene.answers, room))
    grid.add_row("SQL", _sql(scene, room))
    return grid


def _sockets(scene: Scene, room: Room, width: int) -> Text:
    """A bar of connected viewers: a storm empties it."""
    viewers = scene.options.people
    size = max(1, min(40, width - len(f"{viewers:,}") * 2 - 7 - len(room.storm)))
    bar = Text()
    cells = cells_of([room.connected, viewers - room.connected], size)
    for count, (glyph, style) in zip(cells, (("■", "green"), ("·", "red")), strict=True):
        bar.append(glyph * count, style)
    bar.append(f" {room.connected:,} of {viewers:,}", "bold")
    if room.storm:
        bar.append(f"   {room.storm}", "grey62")
    return bar


def _told(room: Room) -> Text:
    if not room.late_ms:
        return Text(_UNKNOWN)
    return Text.assemble(
        (f"{room.events_told:,}", "bold"),
        (" events, in order; those of the drop after p50 ", "grey62"),
        (f"{room.percentile_ms(50):.0f}", "bold"),
        ("  p99 ", "grey62"),
        (f"{room.percentile_ms(99):.0f} ms", "bold"),
    )


def _comments(room: Room, width: int) -> Text:
    lines = []
    for name, text in room.comments:
        shown = set_cell_size(f"{name[-4:]:>4}", 5)
        lines.append(Text.assemble((f"{shown} ", "cyan"), set_cell_size(text, width - 8).rstrip()))
    lines += [Text()] * (COMMENTS - len(lines))
    return Text("\n", no_wrap=True).join(lines)


def _rates(scene: Scene, width: int) -> Text:
    if not scene.rates:
        return Text(_UNKNOWN)
    peak = Text(f"  peak {scene.rate_peak:,.0f}", "grey62")
    now = Text(f"  {scene.rate_now:>6,.0f}/s", "bold")
    room = max(1, min(SPARK_WIDTH, width - now.cell_len - peak.cell_len))
    return _fitting(width, Text(sparkline(list(scene.rates)[-room:]), "cyan"), now, peak)


def _latency(scene: Scene, width: int) -> Text:
    if not scene.requests:
        return Text(_UNKNOWN)
    named = (("p50 ", 50), ("   p99 ", 99), ("   max ", 100))
    shown = [
        Text.assemble((name, "grey62"), (milliseconds(scene, percent), "bold"))
        for name, percent in named
    ]
    count = Text(f", of {counted(scene.requests, 'answer')}", "grey62")
    return _fitting(width, *shown, Text("   so far", "grey62"), count)


def answers(counts: Counter[str], width: int) -> Text:
    """Answers by status and code, the most frequent first."""
    if not counts:
        return Text(_UNKNOWN)
    parts = []
    for name, count in counts.most_common(5):
        style = _STYLE_OF_ANSWER.get(name[:3], "magenta")
        parts.append(Text.assemble((name.replace("_", " "), style), (f" {count:,}", "bold"), "   "))
    return _fitting(width, *parts)


def _sql(scene: Scene, width: int) -> Text:
    if not scene.sql_seen:
        return Text(_UNKNOWN)
    return _fitting(
        width,
        Text.assemble(*_figure(scene.orders_in_sql, "order")),
        Text.assemble("   ", *_figure(scene.sold_in_sql, "unit"), (" sold", "grey62")),
        Text.assemble(("   lag ", "grey62"), *_figure(scene.lag, "log entry", "log entries")),
        Text(f" (peak {scene.lag_peak:,})", "grey62"),
    )


def _figure(number: int, noun: str, plural: str = "") -> list[tuple[str, str]]:
    figure, _, words = counted(number, noun, plural).partition(" ")
    return [(figure, "bold"), (f" {words}", "grey62")]


def _timeline(scene: Scene, rows: int) -> Text:
    shown = scene.events[-rows:]
    lines = [Text.assemble((f"{at_s:+8.2f} s  ", "grey50"), what) for at_s, what in shown]
    lines += [Text()] * (rows - len(lines))
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _fitting(width: int, *parts: Text) -> Text:
    """The first parts of a line, as many as fit."""
    line = Text(no_wrap=True)
    for part in parts:
        if line.cell_len + part.cell_len > width:
            break
        line.append_text(part)
    return line


def sparkline(values: list[float]) -> str:
    """Blocks of eight heights; the highest is the maximum shown."""
    peak = max(values, default=0)
    if peak <= 0:
        return " " * len(values)
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[min(top, -int(-value * top // peak))] for value in values)


def milliseconds(scene: Scene, percent: float) -> str:
    """A percentile of all latencies so far, in words."""
    if not scene.requests:
        return _UNKNOWN
    ms = scene.percentile_ms(percent)
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.1f} ms"
