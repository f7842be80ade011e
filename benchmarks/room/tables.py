"""The figures of a room as tables and a picture: for the terminal, and for the page."""

from collections.abc import Iterator, Sequence

import pygal  # type: ignore[import-untyped]
from rich.console import RenderableType

from benchmarks.records import Series
from benchmarks.room import names
from benchmarks.room.report import RoomReport
from benchmarks.tables import Sheet, drawn, markdown, number, sheet_of, verdicts
from loadtests.open_loop.curve import PLAIN, text_of

CURVES = (names.STOCK_P99, names.OPEN_P99, names.RESERVE_P99, names.LAG_P99)
PICTURE = "room.svg"
TITLES = {"storm": "A reconnect storm", "slow": "A slow tenth"}


def on_terminal(report: RoomReport) -> Iterator[RenderableType]:
    yield drawn(crowds(report))
    for figure, title in TITLES.items():
        yield drawn(sheet_of(title, list(report.records.of(figure))))
    for audit in report.records.audits:
        yield f"audit after a round: {audit}"
    yield drawn(verdicts(report.verdicts))
    yield conditions(report)


def blocks(report: RoomReport) -> Iterator[tuple[str, str]]:
    """The text between the markers of the page."""
    sheet = crowds(report)
    yield "room-targets", f"{conditions(report)}\n\n{markdown(verdicts(report.verdicts))}"
    yield "room", f"{markdown(sheet)}\n\n![{sheet.title}](benchmarks/{PICTURE})"
    for figure, title in TITLES.items():
        yield figure, markdown(sheet_of(title, list(report.records.of(figure))))


def conditions(report: RoomReport) -> str:
    here = report.machine
    loads = " → ".join(f"{load:.1f}" for load in here.load)
    rounds = f"{report.scale.rounds} rounds" if report.scale.rounds > 1 else "1 round"
    return (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, uvloop "
        f"{here.uvloop}, Valkey {here.valkey}; {rounds} in {report.took_s / 60:.1f} minutes; "
        f"load average {loads}."
    )


def crowds(report: RoomReport) -> Sheet:
    """A column for each number of viewers: the median, and the range over several rounds."""
    sizes = report.scale.viewers
    rows = list[Sequence[str]]()
    for name in _measured(report):
        cells = [_cell(report, name, size) for size in sizes]
        rows.append((name, *(_shown(cell) for cell in cells), cells[0].unit))
    title = "Viewers of one room, on one core"
    return Sheet(title, ("", *(f"{size:,} viewers" for size in sizes), "unit"), rows)


def picture(report: RoomReport) -> str:
    """Latency of events over the number of viewers."""
    chart = pygal.XY(
        **PLAIN,
        title="p99 while the drop sells, over the viewers of one worker",
        x_title="viewers",
        y_title="ms",
        dots_size=3,
        show_x_guides=True,
        x_value_formatter=lambda viewers: f"{viewers:,.0f}",
        value_formatter=lambda ms: f"{ms:,.0f}",
    )
    for name in CURVES:
        points = [(size, _cell(report, name, size).median) for size in report.scale.viewers]
        chart.add(name.removesuffix(", p99"), points)
    return text_of(chart)


def _measured(report: RoomReport) -> list[str]:
    """The names of the cells that exist for each number of viewers."""
    end = f", {report.scale.viewers[0]:,} viewers"
    found = [cell.name for cell in report.records.of("room") if cell.name.endswith(end)]
    return [name.removesuffix(end) for name in found]


def _cell(report: RoomReport, name: str, viewers: int) -> Series:
    cell = report.records.find(names.at(name, viewers))
    assert cell is not None  # noqa: S101  all are measured with each number of viewers
    return cell


def _shown(cell: Series) -> str:
    least, most = min(cell.values), max(cell.values)
    if number(least) == number(most):
        return number(cell.median)
    return f"{number(cell.median)} ({number(least)}–{number(most)})"
