"""The targets, and whether they were met."""

import statistics
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from benchmarks import names
from benchmarks.records import Records


class Target(Struct, frozen=True):
    """A bound for a cell, or for its ratio to another cell of the same pass."""

    says: str
    cell: str
    bound: float
    sense: Literal["≥", "≤"] = "≥"
    to: str = ""
    unit: str = ""


class Verdict(Struct, frozen=True):
    """A target and its measured value. `met` is None if it was not measured.

    `by_cpu` is the same ratio by CPU time, which is valid on a shared machine, too: the cost of one
    request of the other cell divided by that of this cell.
    """

    target: Target
    values: list[float]
    met: bool | None
    by_cpu: float | None

    @property
    def median(self) -> float:
        """Raises statistics.StatisticsError if nothing was measured."""
        return statistics.median(self.values)

    @property
    def word(self) -> str:
        return "not measured" if self.met is None else "met" if self.met else "not met"


TARGETS = (
    Target("reserve / hello, through plain aiohttp", names.RESERVE_PLAIN, 0.65, to=names.HELLO),
    Target("reserve / hello, through the fast lane", names.RESERVE_LANE, 1.6, to=names.HELLO),
    Target("reserve / naive", names.RESERVE_LANE, 6, to=names.NAIVE),
    Target("sold out / hello", names.SOLD_OUT_LANE, 2, to=names.HELLO),
    Target("p99 of reserve at 70 % of saturation", names.P99, 20, "≤", unit="ms"),
    Target("engine alone, in memory", names.batches(256, "memory"), 100_000, unit="/s"),
    Target("engine alone, with fsync", names.batches(256, "fsync"), 60_000, unit="/s"),
    Target("writer / bare multi-row insert", names.WRITER, 0.6, to=names.BARE_INSERT),
    Target(
        "engine, many / few reservations in the drop",
        names.ENGINE_DEEP,
        0.9,
        to=names.ENGINE_SHALLOW,
    ),
    Target(
        "HTTP, many / few reservations in the drop",
        names.HTTP_DEEP,
        0.9,
        to=names.HTTP_SHALLOW,
    ),
    Target("Redis memory for a live reservation", names.MEMORY, 450, "≤", unit="bytes"),
    Target("`livesale up` to the first sale", names.COLD_START, 3, "≤", unit="s"),
    Target("the open-loop generator itself", names.GENERATOR, 20_000, unit="/s"),
)


def judge(records: Records, targets: Iterable[Target] = TARGETS) -> list[Verdict]:
    """Every target, in the order of the table."""
    return [_verdict(target, records) for target in targets]


def _verdict(target: Target, records: Records) -> Verdict:
    cell, to = records.find(target.cell), records.find(target.to)
    if cell is None or (target.to and to is None):
        return Verdict(target, [], None, None)
    values, by_cpu = cell.values, None
    if to is not None:
        values = [value / other for value, other in zip(values, to.values, strict=True)]
        if cell.cpu_us and to.cpu_us:
            by_cpu = to.cpu_median / cell.cpu_median
    middle = statistics.median(values)
    met = middle >= target.bound if target.sense == "≥" else middle <= target.bound
    return Verdict(target, values, met, by_cpu)
