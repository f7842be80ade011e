"""The progress and the result of `livesale load`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from livesale.demo.summary import as_checks
from livesale.operations.audit import Check, report
from livesale.printing.output import print_out
from livesale.printing.wording import counted
from loadtests import paper
from loadtests.after import Result
from loadtests.run import Play
from loadtests.stats import Beat

LINE_S = 5.0  # between two lines without a terminal


class Progress:
    """Shows progress on standard error: one changing line, or a line now and then."""

    def __init__(self, play: Play, console: Console | None, status: Status | None) -> None:
        self._play, self._console, self._status = play, console, status
        self._told = 0.0

    def say(self, what: str) -> None:
        self._tell(f"{self._play.scenario.name}: {what} …", always=True)

    def show(self, beat: Beat) -> None:
        self._tell(f"{self._play.scenario.name}: {_beat(beat, self._play.lasts_s)}", always=False)

    def _tell(self, text: str, *, always: bool) -> None:
        if self._status is not None:
            self._status.update(Text(text))
        elif self._console is not None and (always or time.monotonic() - self._told >= LINE_S):
            self._told = time.monotonic()
            self._console.print(Text(text), soft_wrap=True)


@contextmanager
def show_progress(play: Play, *, quiet: bool) -> Iterator[Progress]:
    if quiet:
        yield Progress(play, None, None)
        return
    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty():
        yield Progress(play, console, None)
        return
    with console.status("…") as status:
        yield Progress(play, console, status)


def _beat(beat: Beat, lasts_s: int) -> str:
    parts = [
        f"{beat.at_s:3.0f} of {lasts_s} s",
        counted(beat.users, "user"),
        f"{beat.per_s:,.0f} requests/s",
        f"p95 {beat.p95_ms:,.0f} ms",
    ]
    if beat.failures:
        parts.append(f"{beat.failures:,} failed")
    coming = [opens_s for opens_s in beat.opens_s if opens_s > 0]
    if coming:
        parts.append(f"a drop opens in {min(coming):.0f} s")
    return " · ".join(parts)


def print_result(result: Result) -> None:
    """The figures, every check, the audit if there was one, and a one-line verdict."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="grey62", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in paper.rows_of(result):
        grid.add_row(name, Text(text))
    audit = msgspec.convert(result.audit, list[Check])
    last = Text(f"● {paper.closing(result)}", "bold green" if result.ok else "bold red")
    print_out(grid, report.table_of(as_checks(result.checks), audit), last)
