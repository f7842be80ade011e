"""More API workers of a whole `livesale up`, with the load on a core of its own.

The service has all cores but the last one: Valkey, the writer, the keeper and the workers share
them. On two cores that is one, so the figure then shows what more workers cost, not what they gain.
"""

import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks import closed_loop, names
from benchmarks.machine import CORES, LOAD_CORE, pinned
from benchmarks.operator import Operator
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, make_tokens
from livesale.settings import load_settings
from tests.livesale.processes.running import Up

FIGURE = "workers"
WORKERS = (1, 2, 4)
UNLIMITED = {
    "LIVESALE__HTTP__TRUSTED_PROXIES": "[]",
    "LIVESALE__LIMITS__ADDRESS_PER_S": "1000000",
    "LIVESALE__LIMITS__ADDRESS_BURST": "1000000",
}


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round: one worker, two, four, each on fresh stores."""
    for workers in WORKERS:
        with (
            tempfile.TemporaryDirectory(prefix="livesale-") as folder,
            closing(Up(Path(folder, "data"), workers, **UNLIMITED)) as up,
        ):
            with pinned(*(CORES[:-1] or CORES)):
                up.start()
            settings = load_settings()
            tokens = make_tokens(settings, scale.buyers, Path(folder))
            operator = Operator(up.url, settings)
            drop_id = operator.open_drop(MANY)
            with pinned(LOAD_CORE):
                shot = closed_loop.reserve(up.url, drop_id, tokens, scale.seconds)
            if shot.refused:
                raise RuntimeError(f"not every buyer got a unit: {shot}")
            records.add(FIGURE, names.workers(workers), shot.per_s, "reservations/s")
            up.stop()
