"""Two API workers against one, with a whole `livesale up`: no pinning, two cores for all.

Load, Valkey, the writer and the workers share the machine, so this shows the gain of a second
worker on one small machine, not on more cores.
"""

import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks import closed_loop, names
from benchmarks.operator import Operator
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, make_tokens
from livesale.settings import load_settings
from tests.livesale.processes.running import Up

FIGURE = "workers"
UNLIMITED = {
    "LIVESALE__HTTP__TRUSTED_PROXIES": "[]",
    "LIVESALE__LIMITS__ADDRESS_PER_S": "1000000",
    "LIVESALE__LIMITS__ADDRESS_BURST": "1000000",
}


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round: one worker, then two, each on fresh stores."""
    for name, workers in ((names.WORKERS_ONE, 1), (names.WORKERS_TWO, 2)):
        with (
            tempfile.TemporaryDirectory(prefix="livesale-") as folder,
            closing(Up(Path(folder, "data"), workers, **UNLIMITED)) as up,
        ):
            up.start()
            settings = load_settings()
            tokens = make_tokens(settings, scale.buyers, Path(folder))
            operator = Operator(up.url, settings)
            drop_id = operator.open_drop(MANY)
            shot = closed_loop.reserve(up.url, drop_id, tokens, scale.seconds)
            if shot.refused:
                raise RuntimeError(f"not every buyer got a unit: {shot}")
            records.add(FIGURE, name, shot.per_s, "reservations/s")
            up.stop()
