"""`make bench-overload`: ten times the capacity, and hostile strangers beside polite buyers."""

import sys
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct

from benchmarks import machine, page
from benchmarks.command import make_parser, show
from benchmarks.overload.attacks import ATTACKS
from benchmarks.overload.measure import FULL, QUICK, Found, measure
from benchmarks.room.crowd import FilesRefused, allow_files
from benchmarks.tables import Sheet, drawn, markdown

GOODPUT, LOST, HEALTH_MS = 0.8, 0.2, 1_000.0


class OverloadReport(Struct):
    machine: machine.Machine
    took_s: float
    found: Found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when it ran; with --strict 1 if a target was not met; 2 if the system allows
    too few connections."""
    parser = make_parser("make bench-overload", __doc__)
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="of the strangers")
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.only):
        parser.error("--write takes a whole run")
    scale = QUICK if options.quick else FULL
    try:
        allow_files(scale.lines)
    except FilesRefused as refused:
        print(f"bench-overload: {refused}", file=sys.stderr)
        return 2
    here, started_s = machine.describe(), time.monotonic()
    found = measure(scale, options.only or ())
    here.load.append(machine.load_now())
    report = OverloadReport(here, time.monotonic() - started_s, found)
    sheets = dict(_sheets(found))
    show(report, [drawn(sheet) for sheet in sheets.values()], options.json)
    if options.write:
        said = conditions(report)
        page.put(page.DOCS, {}, [(name, f"{said}\n\n{markdown(s)}") for name, s in sheets.items()])
    return int(options.strict and not met(found))


def met(found: Found) -> bool:
    return all(
        load.of_peak >= GOODPUT and load.health_ms <= HEALTH_MS for load in found.loads
    ) and all(one.lost <= LOST and one.health_ms <= HEALTH_MS for one in found.hostile)


def conditions(report: OverloadReport) -> str:
    here = report.machine
    loads = " → ".join(f"{load:.1f}" for load in here.load)
    return (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, aiohttp "
        f"{here.aiohttp}, uvloop {here.uvloop}, Valkey {here.valkey}; "
        f"{report.took_s / 60:.1f} minutes; load average {loads}."
    )


def _sheets(found: Found) -> Iterator[tuple[str, Sheet]]:
    columns = ("", "offered/s", "goodput/s", "of the peak", "last third", "worst health", "memory")
    yield (
        "overload",
        Sheet(
            "Ten times the capacity",
            columns,
            [
                (
                    load.name,
                    f"{load.offered_per_s:,.0f}",
                    f"{load.goodput_per_s:,.0f}",
                    f"{load.of_peak:.0%}",
                    f"{load.last_third:.0%}",
                    f"{load.health_ms:,.0f} ms",
                    f"{load.rss_mib:,.0f} MiB",
                )
                for load in found.loads
            ],
        ),
    )
    titles = ("the stranger", "polite alone/s", "beside it/s", "lost", "worst health", "memory")
    yield (
        "hostile",
        Sheet(
            "What the polite lose to a stranger",
            titles,
            [
                (
                    one.what,
                    f"{max(one.alone_per_s):,.0f}",
                    f"{min(one.beside_per_s):,.0f}",
                    f"{max(0.0, one.lost):.1%}",
                    f"{one.health_ms:,.0f} ms",
                    f"{one.rss_mib:,.0f} MiB",
                )
                for one in found.hostile
            ],
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
