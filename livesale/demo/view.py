"""Draws the scene: a live panel on a terminal, one plain line a second in a pipe. No I/O."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from livesale.demo.scene import Scene

SOLD, HELD, LEFT, BURNED = "green", "yellow", "cyan", "red"
WIDTH = 96
BAR = WIDTH - 6
SPARK_WIDTH = 48
EVENTS_SHOWN = 7
_SPARKS = " ▁▂▃▄▅▆▇█"
_STYLE_OF_ANSWER = {
    "201": "bold green",
    "200": "green",
    "409": "grey62",
    "425": "cyan",
    "503": "red",
}


def panel(scene: Scene) -> RenderableType:
    """The whole live view, 96 columns wide."""
    body = Group(
        _headline(scene),
        Text(),
        stock_bar(scene),
        _legend(scene),
        Text(),
        _figures(scene),
        Text(),
        _timeline(scene),
    )
    options = scene.options
    title = Text.assemble(
        (" livesale ", "bold white on red"),
        f"  {options.buyers:,} buyers · {options.stock:,} units · {options.workers} API workers ",
    )
    return Panel(
        body,
        title=title,
        title_align="left",
        subtitle=Text(f" {scene.url}  {scene.stores} ", "grey50"),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="grey37",
        padding=(1, 2),
        width=WIDTH,
    )


def line(scene: Scene) -> str:
    """The same in one line, for a pipe."""
    stand = scene.stand
    if not scene.opens or scene.now_s < 0:
        return f"{scene.now_s:+6.1f} s  {scene.phase}"
    lag = f"lag {scene.lag}" if scene.lag else "no lag"
    return (
        f"{scene.now_s:+6.1f} s  sold {stand.sold:>5,}  held {stand.held:>5,}  "
        f"left {stand.available:>5,} | {scene.rate_now:>6,.0f} req/s  "
        f"p50 {_ms(scene.percentile_ms(50))}  p99 {_ms(scene.percentile_ms(99))} | "
        f"SQL {scene.orders_in_sql:,} orders, {lag}"
    )


def stock_bar(scene: Scene, width: int = BAR) -> Text:
    """What is left melts from the right: sold, held, available, scrapped."""
    stand = scene.stand
    left = stand.available if stand.allotted else scene.options.stock
    counts = [stand.sold, stand.held, left, stand.burned]
    bar = Text()
    for cells, style in zip(_cells(counts, width), (SOLD, HELD, LEFT, BURNED), strict=True):
        bar.append("█" * cells, style)
    return Text("\n").join([bar, bar.copy()])


def _cells(counts: list[int], width: int) -> list[int]:
    """`width` cells in proportion to the counts; whatever there is has one at least."""
    total = max(1, sum(counts))
    cells = [max(1, round(count * width / total)) if count else 0 for count in counts]
    cells[cells.index(max(cells))] += width - sum(cells)
    return cells


def _headline(scene: Scene) -> Text:
    if not scene.opens:
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
    mark.append(f"   {scene.here:,} buyers still to come or waiting", "grey62")
    return mark


def _legend(scene: Scene) -> Text:
    stand = scene.stand
    left = stand.available if stand.allotted else scene.options.stock
    return Text.assemble(
        ("■ ", SOLD),
        ("sold ", "grey62"),
        (f"{stand.sold:<7,}", "bold"),
        ("■ ", HELD),
        ("held ", "grey62"),
        (f"{stand.held:<7,}", "bold"),
        ("■ ", LEFT),
        ("left ", "grey62"),
        (f"{left:<7,}", "bold"),
        ("   sold + held ≤ allotted in ", "grey62"),
        (f"{scene.samples - len(scene.bad_samples):,}", "bold"),
        (f" of {scene.samples:,} samples", "grey62" if not scene.bad_samples else "bold red"),
    )


def _figures(scene: Scene) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="grey62", no_wrap=True, min_width=9)
    grid.add_column(no_wrap=True, max_width=BAR - 10, overflow="crop")
    grid.add_row(
        "requests",
        Text.assemble(
            (sparkline(list(scene.rates)[-SPARK_WIDTH:]), "cyan"),
            (f"  {scene.rate_now:>6,.0f}/s", "bold"),
            (f"  peak {scene.rate_peak:,.0f}", "grey62"),
        ),
    )
    grid.add_row(
        "latency",
        Text.assemble(
            ("p50 ", "grey62"),
            (_ms(scene.percentile_ms(50)), "bold"),
            ("   p99 ", "grey62"),
            (_ms(scene.percentile_ms(99)), "bold"),
            ("   max ", "grey62"),
            (_ms(scene.percentile_ms(100)), "bold"),
            (f"   of {scene.requests:,} answers", "grey62"),
        ),
    )
    grid.add_row("answers", answers(scene))
    grid.add_row(
        "SQL",
        Text.assemble(
            (f"{scene.orders_in_sql:,}", "bold"),
            (" orders   ", "grey62"),
            (f"{scene.sold_in_sql:,}", "bold"),
            (" units sold   lag ", "grey62"),
            (f"{scene.lag:,}", "bold"),
            (f" log entries (peak {scene.lag_peak:,})", "grey62"),
        ),
    )
    return grid


def answers(scene: Scene) -> Text:
    """Answers by status and code, the most frequent first."""
    text = Text()
    for name, count in scene.answers.most_common(5):
        style = _STYLE_OF_ANSWER.get(name[:3], "magenta")
        text.append(name.replace("_", " "), style)
        text.append(f" {count:,}   ", "bold")
    return text


def _timeline(scene: Scene) -> Text:
    text = Text()
    shown = scene.events[-EVENTS_SHOWN:]
    for number in range(EVENTS_SHOWN):
        if number < len(shown):
            at_s, what = shown[number]
            text.append(f"{at_s:+8.2f} s  ", "grey50")
            text.append(what)
        text.append("\n" if number + 1 < EVENTS_SHOWN else "")
    return text


def sparkline(values: list[float]) -> str:
    """Blocks of eight heights, the highest is the peak of what is shown."""
    peak = max(values, default=0)
    if peak <= 0:
        return " " * len(values)
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[min(top, -int(-value * top // peak))] for value in values)


def _ms(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.1f} ms"
