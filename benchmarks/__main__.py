"""`make bench`: every limit in one run, everything in turns; targets, verdicts, JSON, the page."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace
from rich.console import Console

from benchmarks import machine, page
from benchmarks.closed_loop import has_wrk
from benchmarks.report import Report
from benchmarks.runner import FIGURES, run
from benchmarks.scale import FULL, QUICK
from benchmarks.tables import on_terminal
from benchmarks.targets import judge

WIDTH = 120  # of what is printed into a file


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when it ran, whatever it found; with --strict 1 where a target was not met."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.only):
        parser.error("--write takes a whole run: one page, one machine, one hour")
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    if not has_wrk():
        print("wrk is not installed: our own generator drives the closed loop", file=sys.stderr)
    here = machine.describe()
    started_s = time.monotonic()
    records = run(scale, options.only or list(FIGURES))
    here.load.append(machine.load_now())
    report = Report(here, scale, time.monotonic() - started_s, records, judge(records))
    width = None if sys.stdout.isatty() else WIDTH
    Console(width=width).print(*on_terminal(report), sep="\n")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if options.write:
        page.write(report)
    missed = any(verdict.met is False for verdict in report.verdicts)
    return int(options.strict and missed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes: does it run?")
    parser.add_argument("--rounds", type=int, help="instead of 3")
    parser.add_argument("--only", action="append", choices=list(FIGURES), help="may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md, and draw")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is not met")
    return parser


if __name__ == "__main__":
    sys.exit(main())
