"""The state of every background task of this process, by the name of its kind.

A name is a constant of the code: all rooms share "room: send", all partitions share "keeper:
sweep". So the number of labels is fixed.
"""

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

TASK_UP = "livesale_task_up"


class Line:
    """All tasks of one name."""

    __slots__ = ("down", "failures", "logged_s", "restarts", "running")

    def __init__(self) -> None:
        self.running = 0  # running supervised tasks
        self.down: dict[object, str] = {}  # failing tasks → reason
        self.failures = 0
        self.restarts = 0
        self.logged_s: dict[
            str, float
        ] = {}  # type of a fault → time of its log line, by the monotonic clock


class TaskTable(Collector):
    """One per process."""

    _labelnames = ("task",)

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def line(self, name: str) -> Line:
        found = self._lines.get(name)
        if found is None:
            found = self._lines[name] = Line()
        return found

    def down(self) -> dict[str, str]:
        """The failing tasks by name, each with one fault."""
        return {
            name: next(iter(line.down.values())) for name, line in self._lines.items() if line.down
        }

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def collect(self) -> Iterable[Metric]:
        up, restarts, failures = families = self._families()
        for name, line in self._lines.items():
            if line.running:
                up.add_metric([name], 0 if line.down else 1)
            restarts.add_metric([name], line.restarts)
            failures.add_metric([name], line.failures)
        return families

    def _families(self) -> tuple[GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        return (
            GaugeMetricFamily(
                TASK_UP,
                "0 from a fault of a background task until it works again",
                labels=self._labelnames,
            ),
            CounterMetricFamily(
                "livesale_task_restarts",
                "Times that a background task was started again after a fault",
                labels=self._labelnames,
            ),
            CounterMetricFamily(
                "livesale_task_failures",
                "Faults of background tasks, also of short ones",
                labels=self._labelnames,
            ),
        )


TABLE = TaskTable()
