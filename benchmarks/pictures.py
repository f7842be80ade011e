"""The figures as SVG, in the style of the latency curve."""

from collections.abc import Iterator

import pygal  # type: ignore[import-untyped]

from benchmarks import names
from benchmarks.report import Report
from benchmarks.tables import number
from loadtests.open_loop.curve import PLAIN, draw, text_of

BARS = {
    "http": "requests a second, one core",
    "engine": "reservations a second, no HTTP",
    "writer": "rows a second into MariaDB",
}
YARDSTICKS = {
    names.HELLO,
    names.HELLO_POST,
    names.HELLO_CROWD,
    names.HELLO_BESIDE,
    names.FLOOR,
    names.NAIVE,
    names.FASTAPI,
    names.BARE_INSERT,
}


def pictures(report: Report) -> Iterator[tuple[str, str]]:
    """File name and content of each picture that this run can draw."""
    for figure, unit in BARS.items():
        series = list(report.records.of(figure))
        if series:
            yield f"{figure}.svg", _bars(unit, {cell.name: cell.median for cell in series})
    if report.records.curve:
        title = "Latency of a reservation, from when the buyer meant to ask"
        yield "latency.svg", draw(report.records.curve, title)


def _bars(title: str, medians: dict[str, float]) -> str:
    chart = pygal.HorizontalBar(
        **{**PLAIN, "height": 90 + 40 * len(medians)},
        title=title,
        show_legend=False,
        print_values=True,
        value_formatter=number,
        show_y_guides=False,
        range=(0, max(medians.values()) * 1.1),
    )
    # The lowest bar is drawn first.
    chart.x_labels = list(reversed(medians))
    chart.add("", [_bar(name, medians[name]) for name in reversed(medians)])
    return text_of(chart)


def _bar(name: str, value: float) -> dict[str, object]:
    ours = name not in YARDSTICKS
    return {"value": value, "color": "#5e81ac" if ours else "#9aa1ad"}
