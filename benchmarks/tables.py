"""The figures as tables, for the terminal and for Markdown."""

import statistics
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from rich.console import RenderableType
from rich.table import Table

from benchmarks.calibration import REFERENCE_MS
from benchmarks.records import Series
from benchmarks.report import Report
from benchmarks.targets import Verdict
from loadtests.open_loop.result import Result

TITLES = {
    "http": "One API worker over HTTP",
    "sold_out": "Sold out, with one buyer and with a million",
    "cores": "What one reservation takes of both cores",
    "parts": "What one reservation takes in the worker",
    "latency": "Latency, open loop",
    "engine": "The engine alone",
    "writer": "The writer",
    "depth": "A drop with few and with many reservations",
    "cold_start": "Cold start",
    "generator": "The open-loop generator",
    "workers": "More workers, the load on a core of its own",
    "sweep": "Much at once",
}


CPU_COLUMNS = ("CPU µs each", "loop, ms", f"CPU µs at a loop of {REFERENCE_MS:g} ms")


class Sheet(Struct):
    """A table with a title. The first column is text, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]]


def verdicts(found: Iterable[Verdict]) -> Sheet:
    columns = ("", "target", "min", "median", "max", "by CPU time", "verdict")
    return Sheet("Targets", columns, [_verdict(verdict) for verdict in found])


def figures(report: Report) -> Iterator[tuple[str, Sheet]]:
    """A table for each measured figure, by its name."""
    for name, title in TITLES.items():
        series = list(report.records.of(name))
        if series:
            yield name, sheet_of(title, series)


def curve(report: Report) -> Sheet:
    """Latency over offered load."""
    return Sheet(
        "Latency over offered load, ms from the intended send time",
        ("offered/s", "goodput/s", "p50", "p90", "p99", "p99.9", "never answered"),
        [_point(result) for result in report.records.curve],
    )


def conditions(report: Report) -> str:
    """The machine and versions of the run."""
    here = report.machine
    loads = " → ".join(f"{load:.1f}" for load in here.load)
    wrk = f"wrk {here.wrk}" if here.wrk else "our own generator"
    return (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, "
        f"aiohttp {here.aiohttp}, uvloop {here.uvloop}, Valkey {here.valkey}, "
        f"MariaDB {here.mariadb}; closed loop by {wrk}; {report.rounds} interleaved rounds in "
        f"{report.took_s / 60:.1f} minutes; load average {loads}."
    )


def on_terminal(report: Report) -> Iterator[RenderableType]:
    """Print everything, the targets last, where they stay visible on a terminal."""
    for _, sheet in figures(report):
        yield drawn(sheet)
    if report.records.curve:
        yield drawn(curve(report))
    for audit in report.records.audits:
        yield f"audit after a round: {audit}"
    yield drawn(verdicts(report.verdicts))
    yield conditions(report)


def markdown(sheet: Sheet) -> str:
    lines = [
        f"| {' | '.join(sheet.columns)} |",
        f"|---{'|--:' * (len(sheet.columns) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in sheet.rows),
    ]
    return "\n".join(lines)


def drawn(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left")
    for number, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not number)
    for row in sheet.rows:
        table.add_row(*row)
    return table


def _verdict(verdict: Verdict) -> Sequence[str]:
    target, values = verdict.target, verdict.values
    unit = f" {target.unit}" if target.unit else ""
    shown = ["", "", ""]
    if values:
        shown = [number(value) for value in (min(values), verdict.median, max(values))]
    by_cpu = "" if verdict.by_cpu is None else number(verdict.by_cpu)
    bound = f"{target.sense} {number(target.bound)}{unit}"
    return (target.says, bound, *shown, by_cpu, verdict.word)


def sheet_of(title: str, series: Sequence[Series]) -> Sheet:
    """A row for each cell: its rounds, and the CPU time if measured."""
    with_cpu = any(cell.cpu_us for cell in series)
    columns = ("", "min", "median", "max", "unit", *(CPU_COLUMNS if with_cpu else ()))
    return Sheet(title, columns, [_cell(cell, with_cpu) for cell in series])


def _cell(cell: Series, with_cpu: bool) -> Sequence[str]:
    shown = [number(value) for value in (min(cell.values), cell.median, max(cell.values))]
    return (cell.name, *shown, cell.unit, *(_cpu(cell) if with_cpu else ()))


def _cpu(cell: Series) -> Sequence[str]:
    if not cell.cpu_us:
        return ("", "", "")
    loop_ms, steady_us = statistics.median(cell.loop_ms), statistics.median(cell.steady_us)
    return (f"{cell.cpu_median:.1f}", f"{loop_ms:.1f}", f"{steady_us:.1f}")


def _point(result: Result) -> Sequence[str]:
    latencies = [result.latency_ms[name] for name in ("50", "90", "99", "99.9")]
    return (
        number(result.rate),
        number(result.goodput_per_s),
        *("never" if latency is None else number(latency) for latency in latencies),
        f"{sum(result.never.values()):,}",
    )


def number(value: float) -> str:
    """Three significant digits, or all digits before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
