"""`make bench-room`: a live room on one core, its latencies, a storm, a slow tenth."""

import argparse
import sys
import time
from collections.abc import Sequence

from msgspec.structs import replace

from benchmarks import machine, page
from benchmarks.command import make_parser, show
from benchmarks.records import Records
from benchmarks.room.crowd import FilesRefused, allow_files
from benchmarks.room.measure import measure
from benchmarks.room.report import RoomReport, targets_of
from benchmarks.room.scale import FULL, QUICK
from benchmarks.room.tables import PICTURE, blocks, on_terminal, picture
from benchmarks.targets import judge

MOST = 15_500  # one worker takes 20,000 connections, of which 16,000 may be viewers


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when it ran; with --strict 1 if a target was not met; 2 if the system allows
    too few connections."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.viewers):
        parser.error("--write takes a whole run")
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    if options.viewers:
        fewer = [size for size in scale.viewers if size < options.viewers]
        scale = replace(scale, viewers=(*fewer, options.viewers))
    try:
        allow_files(scale.viewers[-1])
    except FilesRefused as refused:
        print(f"bench-room: {refused}", file=sys.stderr)
        return 2
    here, records, started_s = machine.describe(), Records(), time.monotonic()
    for number in range(1, scale.rounds + 1):
        began_s = time.monotonic()
        measure(scale, records)
        took_s = time.monotonic() - began_s
        print(f"round {number} of {scale.rounds}: {took_s:.0f} s", file=sys.stderr)
    here.load.append(machine.load_now())
    verdicts = judge(records, targets_of(scale))
    report = RoomReport(here, scale, time.monotonic() - started_s, records, verdicts)
    show(report, on_terminal(report), options.json)
    if options.write:
        page.put(page.DOCS, {PICTURE: picture(report)}, blocks(report))
    return int(options.strict and any(verdict.met is False for verdict in verdicts))


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("make bench-room", __doc__)
    parser.add_argument(
        "--viewers",
        type=_viewers,
        metavar="N",
        help="the largest number of them, instead of 10,000",
    )
    return parser


def _viewers(text: str) -> int:
    count = int(text)
    if not 20 <= count <= MOST:
        raise argparse.ArgumentTypeError(f"from 20 to {MOST:,}")
    return count


if __name__ == "__main__":
    sys.exit(main())
