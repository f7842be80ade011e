"""The time from `livesale up` on an empty folder to the first unit sold, everything embedded."""

import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks import names
from benchmarks.operator import Operator
from benchmarks.records import Records
from benchmarks.scale import Scale
from livesale.settings import load_settings
from tests.livesale.processes.running import Up

FIGURE = "cold_start"


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One start: the supervisor, two API workers, writer, keeper, Valkey, SQLite."""
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        closing(Up(Path(folder, "data"))) as up,
    ):
        started_s = time.perf_counter()
        up.start()
        operator = Operator(up.url, load_settings())
        operator.reserve(operator.open_drop(1), "first")
        records.add(FIGURE, names.COLD_START, time.perf_counter() - started_s, "s")
        up.stop()
