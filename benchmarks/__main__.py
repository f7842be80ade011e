"""`make bench`: measures every limit in one run, in turns; writes targets, JSON and the page."""

import argparse
import sys
import time
from collections.abc import Sequence

from msgspec.structs import replace

from benchmarks import machine, page
from benchmarks.closed_loop import has_wrk
from benchmarks.command import make_parser, show
from benchmarks.report import Report
from benchmarks.runner import FIGURES, run
from benchmarks.scale import FULL, QUICK
from benchmarks.tables import on_terminal
from benchmarks.targets import judge


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when it ran; with --strict 1 if a target was not met."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.only):
        parser.error("--write takes a whole run: one page, one machine, one hour")
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    if not has_wrk():
        print("wrk is not installed: the closed loop uses our own generator", file=sys.stderr)
    here = machine.describe()
    started_s = time.monotonic()
    records = run(scale, options.only or list(FIGURES))
    here.load.append(machine.load_now())
    report = Report(here, scale, time.monotonic() - started_s, records, judge(records))
    show(report, on_terminal(report), options.json)
    if options.write:
        page.write(report)
    missed = any(verdict.met is False for verdict in report.verdicts)
    return int(options.strict and missed)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("make bench", __doc__)
    parser.add_argument("--only", action="append", choices=list(FIGURES), help="may be repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
