"""Runs the figures in turns, round after round, and reports progress."""

import sys
import time
from collections.abc import Callable, Sequence

from benchmarks import (
    cold_start,
    depth,
    engine,
    generator,
    http,
    latency,
    parts,
    sold_out,
    sweep,
    workers,
    writer,
)
from benchmarks.records import Records
from benchmarks.scale import Scale

Measure = Callable[[Scale, Records, bool], None]

FIGURES: dict[str, Measure] = {
    module.FIGURE: module.measure
    for module in (
        *(http, sold_out, latency, parts, engine, writer, depth),
        *(workers, sweep, cold_start, generator),
    )
}


TARGETED = {http.FIGURE, latency.FIGURE, sold_out.FIGURE, parts.FIGURE}  # in every round


def run(scale: Scale, figures: Sequence[str]) -> Records:
    """Measure every figure once a round. Raises RuntimeError if a figure is not valid."""
    records = Records()
    for number in range(1, scale.rounds + 1):
        for figure in figures:
            if number > scale.rounds_of_others and figure not in TARGETED:
                continue
            started_s = time.monotonic()
            FIGURES[figure](scale, records, number == scale.rounds)
            took_s = time.monotonic() - started_s
            print(f"round {number} of {scale.rounds}: {figure}, {took_s:.0f} s", file=sys.stderr)
    return records
