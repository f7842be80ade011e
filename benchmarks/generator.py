"""The maximum rate of the open-loop generator on one core, against a trivial server.

The requests are reservations. The first run asks for far more than it can send; the second for the
rate that it must keep, and measures how late the requests leave.
"""

from msgspec.structs import replace

from benchmarks import names
from benchmarks.closed_loop import MORE_THAN_ANY
from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.processes import server
from benchmarks.records import Records
from benchmarks.scale import Scale
from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner
from loadtests.open_loop.processes import Plan, run
from loadtests.target import parse_target
from stock.ids import new_id
from tests.ports import free_port

FIGURE = "generator"
RATE = 20_000.0
CONNECTIONS = 256


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One run at each of the two rates."""
    signer, port = TokenSigner.from_settings(load_settings()), free_port()
    with server("benchmarks.trivial", str(port), port=port) as trivial, pinned(LOAD_CORE):
        trivial.wait()
        most = Plan(
            parse_target(trivial.url),
            MORE_THAN_ANY,
            scale.seconds,
            connections=CONNECTIONS,
            patient=False,
            drop_id=new_id(),
            tokens=[signer.buyer(f"buyer-{number:08d}") for number in range(scale.buyers)],
        )
        records.add(FIGURE, names.GENERATOR, run(most).answered_per_s, "requests/s")
        kept = run(replace(most, rate=RATE, patient=True))
        late_ms = kept.late_ms["99"]
        assert late_ms is not None  # noqa: S101  everything is sent, or the run is not over
        records.add(FIGURE, names.GENERATOR_LATE, late_ms, "ms")
