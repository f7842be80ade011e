"""The speed of the machine at this moment: the CPU time of a fixed loop in Python.

The host gives its cores a speed that swings by half within seconds. The loop runs before and after
what is measured, on the measured core, so a CPU time can be told as it would be on a core of a
fixed speed.
"""

import time

from benchmarks.machine import SERVER_CORE, pinned

ADDITIONS = 200_000
REFERENCE_MS = 10.0  # the loop on the core that figures are told for


def loop_ms() -> float:
    """Run the loop once, in 10 to 40 ms."""
    with pinned(SERVER_CORE):
        started_ns = time.thread_time_ns()
        total = 0
        for number in range(ADDITIONS):
            total += number
        return (time.thread_time_ns() - started_ns) / 1e6


def at_reference(cpu_us: float, measured_loop_ms: float) -> float:
    """A CPU time on a core that needs REFERENCE_MS for the loop."""
    return cpu_us * REFERENCE_MS / measured_loop_ms
