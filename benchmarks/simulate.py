"""Simulates the whole service on many machines, with costs measured here, and compares a part.

    python -m benchmarks.simulate [--quick] [--seeds N] [--rounds N] [--costs FILE] [--write]

First it measures what each step costs on this machine (`benchmarks/simulation/calibration.py`).
Then it lets the engine's driver sell on these cores, simulates just that, and shows both. Then it
simulates what this machine cannot do: up to eight primaries, and as many API workers as they need.
A simulation that loses or doubles a unit ends with an error, without figures.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks import machine, page
from benchmarks.command import show
from benchmarks.machine import CORES
from benchmarks.simulation.calibration import NETWORK_S, calibrate
from benchmarks.simulation.costs import Costs, Line
from benchmarks.simulation.driver import drive_really
from benchmarks.simulation.plays import (
    Fleet,
    Layout,
    Outcome,
    drive,
    most,
    sell,
    steady,
    workers_for,
)
from benchmarks.simulation.worker import Rules
from benchmarks.tables import Sheet, drawn, markdown, number

HOT_UNITS, HOT_RATE, HOT_S = 80_000, 500_000.0, 0.5
SLOW_RATE = 10_000.0  # units have time to move
P99_S = 0.05
PRIMARIES = (1, 2, 4, 8)
RATES = (250_000.0, 500_000.0, 750_000.0, 1_000_000.0)
BATCHES = (1, 8, 64, 256)
LAYOUTS = (
    Layout("a driver and a server on one core", ((0, (0,)),)),
    Layout("a driver on one core, a server on the other", ((0, (1,)),)),
    Layout("a driver on one core, two servers on the other", ((0, (1, 1)),)),
    Layout("a driver and a server on each core", ((0, (0,)), (1, (1,)))),
)


class Found(Struct):
    costs: Costs
    sheets: dict[str, Sheet]
    conditions: str


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    here, started_s = machine.describe(), time.monotonic()
    if options.costs:
        costs = msgspec.json.decode(options.costs.read_bytes(), type=Costs)
    else:
        costs = calibrate(options.network_us / 1e6)
    sheets: dict[str, Sheet] = {"simulation-costs": _costs(costs)}
    for name, sheet in _plays(costs, options.seeds, options.rounds, quick=options.quick):
        print(f"{name}, after {time.monotonic() - started_s:.0f} s", file=sys.stderr)
        sheets[name] = sheet
    here.load.append(machine.load_now())
    loads = " → ".join(f"{load:.1f}" for load in here.load)
    conditions = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, uvloop "
        f"{here.uvloop}, Valkey {here.valkey}, MariaDB {here.mariadb}; seeds 1 to {options.seeds}; "
        f"{(time.monotonic() - started_s) / 60:.1f} minutes; load average {loads}."
    )
    found = Found(costs, sheets, conditions)
    show(found, [*map(drawn, sheets.values()), conditions], options.json)
    if options.write:
        blocks = [(name, markdown(sheet)) for name, sheet in sheets.items()]
        blocks.append(("simulation-conditions", conditions))
        page.put(page.DOCS, {}, blocks)
    return 0


def _plays(costs: Costs, seeds: int, rounds: int, *, quick: bool) -> Iterator[tuple[str, Sheet]]:
    yield "simulation-compared", _compared(costs, rounds, quick=quick)
    yield "simulation-most", _most(costs, PRIMARIES[:2] if quick else PRIMARIES)
    yield "simulation-rates", _rates(costs, RATES[:1] if quick else RATES)
    yield "simulation-hot", _hot(costs, seeds, quick=quick)


def _costs(costs: Costs) -> Sheet:
    """Every cost, with what grows with the attempts of a call."""
    says = {
        "engine": "Python's CPU for a call to the engine",
        "script": "Valkey's CPU for it, if all are held",
        "refusal": "the same, if nothing is left",
        "fsync": "the wait for the disk, once for all calls of a turn",
        "confirm": "the wait for a replica's confirmation",
        "confirm_cpu": "Valkey's CPU for that",
        "move": "Valkey's CPU for a give or a take: that of `adjust_drop`",
        "look": "Valkey's CPU for a look at a bucket: that of `snapshot`",
        "request": "CPU of an API worker for a request, without the engine's",
        "shortcut": "CPU of an API worker for a “sold out” of its own",
        "row": "a writer's time for a row",
        "loopback": "from process to process here",
        "network": "from machine to machine (assumed)",
    }
    rows: list[Sequence[str]] = []
    for name, text in says.items():
        cost = getattr(costs, name)
        line = cost if isinstance(cost, Line) else Line(cost, 0.0)
        rows.append((text, number(line.call * 1e6), number(line.each * 1e6) if line.each else ""))
    title = "What a step costs, µs"
    return Sheet(title, ("", "each time", "and for each attempt"), rows)


def _compared(costs: Costs, rounds: int, *, quick: bool) -> Sheet:
    """The engine's driver, simulated and in earnest; the best of some real runs counts."""
    cores = (CORES[0], CORES[-1])
    rows: list[Sequence[str]] = []
    for layout in LAYOUTS if len(CORES) > 1 else LAYOUTS[:1]:
        for batch in BATCHES[-1:] if quick else BATCHES:
            real = max(drive_really(layout, batch, cores) for _ in range(rounds))
            said = drive(costs, layout, batch)
            off = f"{said / real - 1:+.0%}"
            rows.append((layout.name, str(batch), number(said), number(real), off))
    return Sheet(
        "The engine's driver, reservations a second",
        ("", "attempts in a call", "simulated", "measured", "off by"),
        rows,
    )


def _most(costs: Costs, counts: Sequence[int]) -> Sheet:
    """What a number of primaries can do for one drop in as many buckets."""
    rows: list[Sequence[str]] = []
    for primaries in counts:
        for replicated in (False, True) if primaries == max(counts) else (False,):
            rate, found = most(costs, primaries, p99_s=P99_S, seed=1, replicated=replicated)
            bits = found.per_primary * (costs.bytes_in + costs.bytes_out) * 8 / 1e6
            rows.append(
                (
                    f"{primaries}, replicas confirm" if replicated else str(primaries),
                    f"{rate:,.0f}",
                    number(found.p50_s * 1e3),
                    number(found.attempts_a_call),
                    f"{found.primary_cpu:.0%}",
                    f"{found.primary_disk:.0%}",
                    f"{workers_for(costs, rate)}",
                    number(bits),
                    number(rate * 2 * costs.row),
                )
            )
    columns = (
        *("primaries", "reservations/s", "p50, ms", "attempts a call", "Valkey's CPU", "its disk"),
        *("API workers", "Mbit/s of a primary", "writers to keep up"),
    )
    title = f"The most at which 99 of 100 buyers wait at most {P99_S * 1e3:.0f} ms"
    return Sheet(title, columns, rows)


def _rates(costs: Costs, rates: Sequence[float]) -> Sheet:
    """What breaks first with eight primaries, while there is a unit for everybody."""
    rows: list[Sequence[str]] = []
    for rate in rates:
        fleet = Fleet(8, workers_for(costs, rate))
        found = steady(costs, fleet, rate, seed=1, seconds=0.3)
        rows.append(
            (
                f"{rate:,.0f}",
                str(fleet.workers),
                number(found.p50_s * 1e3),
                number(found.p99_s * 1e3),
                number(found.attempts_a_call),
                f"{found.worker_cpu:.0%}",
                f"{found.primary_cpu + found.primary_disk:.0%}",
                number(found.lag_s),
            )
        )
    columns = (
        *("offered/s", "API workers", "p50, ms", "p99, ms", "attempts a call"),
        *("busiest worker", "busiest primary", "SQL is behind after 0.3 s of sale, s"),
    )
    return Sheet("Eight primaries, a writer for each", columns, rows)


def _hot(costs: Costs, seeds: int, *, quick: bool) -> Sheet:
    """80,000 units at 500,000 buyers a second, and slower ones, over primaries."""
    plays = [
        (
            f"{k} primaries" if k > 1 else "1 primary",
            Fleet(k, workers_for(costs, HOT_RATE)),
            HOT_RATE,
            Rules(),
        )
        for k in (PRIMARIES[-1:] if quick else PRIMARIES)
    ]
    eight = Fleet(8, workers_for(costs, HOT_RATE))
    slow = Fleet(8, workers_for(costs, SLOW_RATE))
    plays += [
        ("8, replicas confirm", msgspec.structs.replace(eight, replicated=True), HOT_RATE, Rules()),
        ("8, at 10,000/s", slow, SLOW_RATE, Rules()),
        ("8, at 10,000/s, each second thief dies", slow, SLOW_RATE, Rules(dies_every=2)),
        ("8, at 10,000/s, no claims", slow, SLOW_RATE, Rules(claims=False)),
    ]
    rows: list[Sequence[str]] = []
    for name, fleet, rate, rules in plays:
        seconds = max(HOT_S, 1.25 * HOT_UNITS / rate)
        found = [
            sell(costs, fleet, units=HOT_UNITS, rate=rate, seconds=seconds, seed=seed, rules=rules)
            for seed in range(1, seeds + 1)
        ]
        rows.append((name, *_sale(found)))
    columns = (
        *("", "last unit held after, s", "p50, ms", "p99, ms", "transfers", "torn, mended"),
        *("unsold", "false “sold out”", "SQL has all after, s"),
    )
    return Sheet(f"{HOT_UNITS:,} units, {HOT_RATE:,.0f} buyers a second", columns, rows)


def _sale(found: list[Outcome]) -> tuple[str, ...]:
    """The range over the seeds."""

    def over(*values: float) -> str:
        low, high = number(min(values)), number(max(values))
        return low if low == high else f"{low}–{high}"

    return (
        over(*(one.selling_s for one in found)),
        over(*(one.p50_s * 1e3 for one in found)),
        over(*(one.p99_s * 1e3 for one in found)),
        over(*(one.transfers for one in found)),
        over(*(one.torn for one in found)),
        over(*(one.unsold for one in found)),
        over(*(one.false_sold_out for one in found)),
        over(*(one.lag_s for one in found)),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shows only that it runs")
    parser.add_argument("--seeds", type=int, default=3, help="of the hot drop")
    parser.add_argument("--rounds", type=int, default=2, help="of the real driver")
    parser.add_argument("--network-us", type=float, default=NETWORK_S * 1e6, help="one way")
    parser.add_argument("--costs", type=Path, metavar="FILE", help="costs instead of measuring")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
