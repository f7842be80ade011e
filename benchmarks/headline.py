"""The five figures that matter, for the top of the page."""

import statistics
from collections.abc import Sequence

from benchmarks import names
from benchmarks.calibration import REFERENCE_MS
from benchmarks.records import Records, ratios
from benchmarks.tables import Sheet, number


def headline(records: Records) -> Sheet:
    """What could be measured of the five, each with what it compares to."""
    rows = [part(records) for part in (_reserve, _cost, _sold_out, _tail, _memory)]
    columns = ("one API worker, on one core", "", "beside it")
    return Sheet("The five figures", columns, [row for row in rows if row])


def _reserve(records: Records) -> Sequence[str]:
    cell, naive = records.find(names.RESERVE_LANE), records.find(names.FASTAPI)
    if cell is None or naive is None:
        return []
    times = number(statistics.median(ratios(cell.values, naive.values)))
    rate = f"{number(cell.median)} a second"
    return ["durable reservations", rate, f"{times} × FastAPI with one script call a request"]


def _cost(records: Records) -> Sequence[str]:
    cell, hello = records.find(names.RESERVE_LANE), records.find(names.HELLO_POST)
    if cell is None or hello is None or not (cell.cpu_us and hello.cpu_us):
        return []
    part = number(statistics.median(ratios(cell.steady_us, hello.steady_us)))
    cost = f"{number(statistics.median(cell.steady_us))} µs, at a loop of {REFERENCE_MS:g} ms"
    return ["CPU of a reservation", cost, f"{part} of what aiohttp takes to read the same POST"]


def _sold_out(records: Records) -> Sequence[str]:
    cell, hello = records.find(names.SOLD_OUT_MANY), records.find(names.HELLO_BESIDE)
    if cell is None or hello is None:
        return []
    times = number(statistics.median(ratios(cell.values, hello.values)))
    rate = f"{number(cell.median)} a second"
    return ["“sold out”, a million buyers", rate, f"{times} × aiohttp that reads the same POST"]


def _tail(records: Records) -> Sequence[str]:
    cell = records.find(names.P99)
    if cell is None:
        return []
    many = f"worst of {len(cell.values)}: {number(max(cell.values))} ms"
    return ["p99 at 70 % load, from when the buyer meant to ask", f"{number(cell.median)} ms", many]


def _memory(records: Records) -> Sequence[str]:
    cell, logged = records.find(names.MEMORY), records.find(names.MEMORY_LOG)
    if cell is None or logged is None:
        return []
    with_log = f"{number(logged.median)} until SQL has it"
    return ["Redis memory of a live reservation", f"{number(cell.median)} bytes", with_log]
