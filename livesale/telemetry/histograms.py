"""Counters and histograms for code where every microsecond counts: plain numbers.

A Counter of prometheus_client takes a lock for each step, a Histogram two locks and a search in
Python. These belong to one event loop and need no locks. Their output is the same.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Counters(Collector):
    """Counters, by the values of their labels.

    `row` gives the counts by the last label: the caller increments them directly.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, tuple(labels)
        self._rows: dict[tuple[str, ...], defaultdict[object, int]] = {}
        registry.register(self)

    def row(self, *values: str) -> defaultdict[object, int]:
        """The counts by the last label, for these values of the others."""
        return self._rows.setdefault(values, defaultdict(int))

    def counts(self) -> dict[str, list[int]]:
        """The counts that are not 0, by the last label: for counters with one label."""
        return {str(last): [count] for row in self._rows.values() for last, count in row.items()}

    def describe(self) -> Iterable[Metric]:
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for values, row in self._rows.items():
            for last, count in row.items():
                family.add_metric([*values, str(last)], count)
        yield family

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)


class Histograms(Collector):
    """Histograms of durations, by the value of their one label."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, (label,)
        self._bounds = tuple(bounds)
        self._buckets: dict[str, Buckets] = {}
        registry.register(self)

    def of(self, value: str) -> "Buckets":
        """The histogram with this label."""
        if value not in self._buckets:
            self._buckets[value] = Buckets(self._bounds)
        return self._buckets[value]

    def counts(self) -> dict[str, list[int]]:
        """How many fell into each bucket, by label, where any did; the last has the rest."""
        return {value: found.counts for value, found in self._buckets.items() if any(found.counts)}

    def describe(self) -> Iterable[Metric]:
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        for value, found in self._buckets.items():
            total, buckets = 0, []
            for name, count in zip(names, found.counts, strict=True):
                total += count
                buckets.append((name, total))
            family.add_metric([value], buckets, found.sum_s)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)


class Buckets:
    """The histogram of one label."""

    __slots__ = ("_bounds", "counts", "sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def observe(self, took_s: float) -> None:
        self.counts[bisect_left(self._bounds, took_s)] += 1
        self.sum_s += took_s
