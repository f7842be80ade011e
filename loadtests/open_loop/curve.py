"""The curve of latency over offered load, as SVG without scripts or external resources."""

import re
from collections.abc import Iterable, Iterator, Sequence

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from loadtests.open_loop.result import Result

SHOWN = {"50": "half", "90": "90 %", "99": "99 %", "99.9": "99.9 %"}
STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#3b4252",
    foreground_strong="#1b1d23",
    foreground_subtle="#9aa1ad",
    colors=("#5e81ac", "#4c9f70", "#d08770", "#bf616a", "#b48ead", "#7b8394"),
    font_family="system-ui, sans-serif",
    title_font_size=16,
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=13,
    value_font_size=12,
    value_label_font_size=12,
    opacity=".9",
    guide_stroke_color="#e3e6eb",
    guide_stroke_dasharray="1,0",
    major_guide_stroke_color="#e3e6eb",
    major_guide_stroke_dasharray="1,0",
    stroke_width=2,
)
PLAIN = {"js": [], "style": STYLE, "width": 860, "height": 420, "margin_right": 40}


def draw(results: Sequence[Result], title: str = "Latency from the intended send time") -> str:
    """A line for each percentile. It ends where requests remain unanswered."""
    chart = pygal.XY(
        **PLAIN,
        title=title,
        x_title="requests offered a second",
        y_title="ms",
        logarithmic=True,
        dots_size=3,
        show_x_guides=True,
        x_value_formatter=lambda rate: f"{rate:,.0f}",
        value_formatter=lambda ms: f"{ms:g}",
    )
    ordered = sorted(results, key=lambda result: result.rate)
    seen_ms: list[float] = []
    for name, words in SHOWN.items():
        points = [
            (result.rate, latency)
            for result in ordered
            if (latency := result.latency_ms[name]) is not None
        ]
        seen_ms += [latency for _, latency in points]
        chart.add(f"{words} within", points)
    chart.x_labels = list(_round_numbers(result.rate for result in ordered))
    chart.y_labels = list(_round_numbers(seen_ms))
    return text_of(chart)


def text_of(chart: pygal.graph.graph.Graph) -> str:
    """The chart as SVG; the same figures give the same bytes."""
    chart.uuid = "chart"
    drawn: str = chart.render(is_unicode=True)
    return re.sub(r"<!--.*?-->|<script.*?</script>", "", drawn, flags=re.DOTALL) + "\n"


def _round_numbers(figures: Iterable[float]) -> Iterator[float]:
    """The labels of a logarithmic axis around the figures: 1, 2, 5, 10, 20 …"""
    found = list(figures)
    if not found:
        return
    power = -3
    while True:
        for step in (1, 2, 5):
            label = step * 10.0**power
            if label * 2.5 > min(found):
                yield label
            if label >= max(found):
                return
        power += 1
