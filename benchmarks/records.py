"""The measured values, by cell and round."""

import statistics
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from benchmarks.calibration import at_reference, loop_ms
from loadtests.open_loop.result import Result


class Series(Struct):
    """One cell: a value for each round or pass, the CPU time for one unit in µs, and how long the
    calibration loop took beside it, in ms."""

    figure: str
    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    loop_ms: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def cpu_median(self) -> float:
        return statistics.median(self.cpu_us)

    @property
    def steady_us(self) -> list[float]:
        """The CPU times as a core of a fixed speed would need them."""
        return list(map(at_reference, self.cpu_us, self.loop_ms))


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Each value divided by that of the same round. Raises ValueError if a round has only one."""
    return [value / other for value, other in zip(values, others, strict=True)]


class Records(Struct):
    """All values of one run. Names of cells are unique over all figures."""

    series: list[Series] = field(default_factory=list)
    at_seventy: list[Result] = field(
        default_factory=list
    )  # results of the open loop, one for each round
    curve: list[Result] = field(default_factory=list)
    audits: list[str] = field(default_factory=list)  # summaries of the audits, all clean

    def add(
        self,
        figure: str,
        name: str,
        value: float,
        unit: str,
        cpu_us: float | None = None,
        beside_ms: float | None = None,
    ) -> None:
        """Add one value of this round. `beside_ms`: the calibration loop beside the CPU time; if it
        is missing, the loop runs now."""
        series = self.find(name)
        if series is None:
            series = Series(figure, name, unit)
            self.series.append(series)
        series.values.append(value)
        if cpu_us is not None:
            series.cpu_us.append(cpu_us)
            series.loop_ms.append(loop_ms() if beside_ms is None else beside_ms)

    def find(self, name: str) -> Series | None:
        return next((series for series in self.series if series.name == name), None)

    def of(self, figure: str) -> Iterator[Series]:
        return (series for series in self.series if series.figure == figure)
