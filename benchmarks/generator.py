"""What the open-loop generator drives on one core, against a server that does nothing else."""

from benchmarks import names
from benchmarks.closed_loop import MORE_THAN_ANY
from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.processes import free_port, server
from benchmarks.records import Records
from benchmarks.scale import Scale
from loadtests.open_loop.processes import Plan, run
from loadtests.target import parse_target

FIGURE = "generator"


def measure(scale: Scale, records: Records, last: bool) -> None:
    port = free_port()
    with server(port, "benchmarks.trivial", str(port)), pinned(LOAD_CORE):
        target = parse_target(f"http://127.0.0.1:{port}")
        seconds = float(scale.seconds)
        plan = Plan(target, MORE_THAN_ANY, seconds, connections=256, timeout_s=seconds)
        records.add(FIGURE, names.GENERATOR, run(plan).answered_per_s, "requests/s")
