"""The targets, and whether they were met."""

import statistics
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, structs

from benchmarks import names
from benchmarks.records import Records, ratios


class Target(Struct, frozen=True):
    """A bound for a cell, or for its ratio to another cell of the same pass.

    `of`: what is compared, the rates or the CPU times of one request, each at the speed of the
    calibration loop beside it. `worst`: no value may miss the bound, instead of the median.
    """

    says: str
    cell: str
    bound: float
    sense: Literal["≥", "≤"] = "≥"
    to: str = ""
    unit: str = ""
    of: Literal["rate", "cpu"] = "rate"
    worst: bool = False


class Verdict(Struct, frozen=True):
    """A target and its measured value. `met` is None if it was not measured.

    `by_cpu` is a ratio of rates by CPU time, which is valid on a shared machine, too: the cost of
    one request of the other cell divided by that of this cell.
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
    def deciding(self) -> float:
        """The value that the bound is for. Raises as `median`."""
        if not self.target.worst:
            return self.median
        return max(self.values) if self.target.sense == "≤" else min(self.values)

    @property
    def word(self) -> str:
        return "not measured" if self.met is None else "met" if self.met else "not met"


TARGETS = (
    Target(
        "CPU of reserve / of hello, reading the same POST",
        names.RESERVE_LANE,
        0.5,
        "≤",
        to=names.HELLO_POST,
        of="cpu",
    ),
    Target("reserve / naive on FastAPI", names.RESERVE_LANE, 15, to=names.FASTAPI),
    Target(
        "sold out, one buyer / hello, reading the same POST",
        names.SOLD_OUT_ONE,
        2.5,
        to=names.HELLO_BESIDE,
    ),
    Target(
        "sold out, 1,000,000 buyers / the same hello",
        names.SOLD_OUT_MANY,
        2.5,
        to=names.HELLO_BESIDE,
    ),
    Target("worst " + names.P99, names.P99, 15, "≤", unit="ms", worst=True),
    Target("worst " + names.P999, names.P999, 25, "≤", unit="ms", worst=True),
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
        costs = ratios(cell.steady_us, to.steady_us)
        if target.of == "cpu":
            values = costs
        else:
            values = ratios(values, to.values)
            by_cpu = 1 / statistics.median(costs) if costs else None
    found = Verdict(target, values, None, by_cpu)
    met = found.deciding >= target.bound if target.sense == "≥" else found.deciding <= target.bound
    return structs.replace(found, met=met)
