"""One round: more and more viewers of a room that sells, a reconnect storm, a slow tenth."""

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.audit import audit
from benchmarks.machine import LOAD_CORE, cpu_s, pinned, waited_s
from benchmarks.records import Records
from benchmarks.room import names
from benchmarks.room.crowd import Crowd, gathered
from benchmarks.room.hall import UNITS, Hall, open_hall
from benchmarks.room.scale import RoomScale
from benchmarks.room.tally import Tally, percentile
from loadtests.open_loop.processes import Plan, run
from loadtests.open_loop.result import Result
from loadtests.target import parse_target

TICKS_PER_S = 5
OPENS_EVERY_S = 0.8
REST_S = 0.5  # for events in flight, before we read a tally
CONNECTIONS = 64
TIMEOUT_S = 20.0
MORE = 1.3  # buyers, for arrivals at random
TENTH = 10
PICTURE = "https://cdn.example/" + "x" * 450
TITLE = "今" * 190  # three bytes each
PAINTS_EVERY_S = 0.01
CLOSING_S = 1.2  # from the first close of a slow viewer to the last

Add = Callable[[str, float, str], None]


def measure(scale: RoomScale, records: Records) -> None:
    """Raises RuntimeError if a viewer missed an event or got one twice, or a promise broke."""
    seconds = scale.selling_s * len(scale.viewers) + scale.storm_s
    buyers = round(MORE * scale.rate * seconds) + CONNECTIONS
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as name,
        pinned(LOAD_CORE),
        open_hall(Path(name), buyers) as hall,
        gathered(hall.worker.url, hall.room_id) as crowd,
    ):
        for viewers in scale.viewers:
            _watch(hall, crowd, viewers, scale, records)
        _storm(hall, crowd, scale, records)
        records.audits.append(audit(hall.settings))
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as name,
        pinned(LOAD_CORE),
        open_hall(Path(name), 0, live__behind_ms=scale.behind_ms) as hall,
        gathered(hall.worker.url, hall.room_id) as crowd,
    ):
        _slow_tenth(hall, crowd, scale, records)


def _watch(hall: Hall, crowd: Crowd, viewers: int, scale: RoomScale, records: Records) -> None:
    def add(name: str, value: float, unit: str) -> None:
        records.add("room", names.at(name, viewers), value, unit)

    before, came = hall.resident_bytes(), viewers - crowd.size
    crowd.grow(viewers)
    add(names.MEMORY, (hall.resident_bytes() - before) / came / 1024, "KiB")

    crowd.begin()
    before_s = cpu_s(hall.worker.pid)
    hall.move_counter(scale.quiet_s)
    time.sleep(REST_S)
    spent_us, told = 1e6 * (cpu_s(hall.worker.pid) - before_s), _tell(crowd).told
    add(names.CPU, spent_us / told, "µs")
    add(names.FIT, 1e6 * told / spent_us / TICKS_PER_S, "viewers")

    drafts = [
        hall.operator.draft_in(hall.room_id, UNITS)
        for _ in range(int(scale.selling_s / OPENS_EVERY_S) - 1)
    ]
    crowd.begin()
    before_s, began_s = cpu_s(hall.worker.pid), time.monotonic()
    waited_before_s = waited_s(hall.worker.pid)
    with _meanwhile(lambda: _open_all(hall, drafts)):
        sold = _sell(hall, scale.rate, scale.selling_s)
    took_s = time.monotonic() - began_s
    busy, waited = cpu_s(hall.worker.pid) - before_s, waited_s(hall.worker.pid) - waited_before_s
    time.sleep(REST_S)
    tally = _tell(crowd)
    for kind, p50, p99 in (
        ("stock", names.STOCK_P50, names.STOCK_P99),
        ("drop.open", names.OPEN_P50, names.OPEN_P99),
    ):
        add(p50, percentile(tally.late[kind], 50), "ms")
        add(p99, percentile(tally.late[kind], 99), "ms")
    add(names.LAG_P50, percentile(tally.lag, 50), "ms")
    add(names.LAG_P99, percentile(tally.lag, 99), "ms")
    _add_reserve(add, sold, names.RESERVE_P50, names.RESERVE_P99)
    add(names.BUSY, 100 * busy / took_s, "%")
    add(names.WAITED, 100 * waited / took_s, "%")


def _storm(hall: Hall, crowd: Crowd, scale: RoomScale, records: Records) -> None:
    """All lose their connection at once, reconnect at once, and resume."""

    def add(name: str, value: float, unit: str) -> None:
        records.add("storm", name, value, unit)

    crowd.begin()
    waited_ms: list[float] = []
    with _meanwhile(lambda: waited_ms.extend(crowd.storm())):
        sold = _sell(hall, scale.rate, scale.storm_s)
    time.sleep(REST_S)
    _tell(crowd)
    if len(waited_ms) != crowd.size:
        raise RuntimeError(f"{len(waited_ms)} of {crowd.size} came back")
    add(names.STORM_P50, percentile(waited_ms, 50) / 1000, "s")
    add(names.STORM_LAST, max(waited_ms) / 1000, "s")
    _add_reserve(add, sold, names.STORM_RESERVE_P50, names.STORM_RESERVE_P99)


def _slow_tenth(hall: Hall, crowd: Crowd, scale: RoomScale, records: Records) -> None:
    """One viewer in ten reads nothing for a while. All get the same events, of the largest size."""

    def add(name: str, value: float, unit: str) -> None:
        records.add("slow", name, value, unit)

    crowd.grow(scale.slow, slow=TENTH)
    slow = scale.slow // TENTH
    crowd.begin()
    _paint(hall, lambda: False, 2.0)
    add(names.ALONE_P99, percentile(_tell(crowd).late["room.changed"], 99), "ms")

    crowd.begin()
    crowd.stall(True)
    _paint(hall, lambda: bool(hall.operator.closed("too_slow")), scale.slow_s)
    _paint(hall, lambda: hall.operator.closed("too_slow") >= slow, CLOSING_S)
    crowd.stall(False)  # they read on, and find the close code
    time.sleep(2 * REST_S)
    tally = _tell(crowd)
    if set(tally.closed) - {4408} or tally.lost:
        raise RuntimeError(f"closed {tally.closed}, lost {tally.lost}")
    add(names.SLOW_CLOSED, 100 * tally.closed[4408] / slow, "%")
    add(names.SLOW_P50, percentile(tally.late["room.changed"], 50), "ms")
    add(names.SLOW_P99, percentile(tally.late["room.changed"], 99), "ms")


def _paint(hall: Hall, done: Callable[[], bool], most_s: float) -> None:
    """Send large events, one after the other."""
    ends_s, number = time.monotonic() + most_s, 0
    while time.monotonic() < ends_s and not (number % 8 == 0 and done()):
        word = secrets.token_hex(2)
        hall.operator.edit(hall.room_id, TITLE + word, PICTURE + word)
        number += 1
        time.sleep(PAINTS_EVERY_S)


def _sell(hall: Hall, rate: float, seconds: float) -> Result:
    """Independent buyers reserve; latency counts from the intended send time."""
    result = run(
        Plan(
            parse_target(hall.worker.url),
            rate,
            seconds,
            poisson=True,
            connections=CONNECTIONS,
            timeout_s=TIMEOUT_S,
            drop_id=hall.drop_id,
            tokens=hall.tokens(round(MORE * rate * seconds)),
        )
    )
    if set(result.answers) != {"201"} or result.never:
        raise RuntimeError(f"not everybody could buy: {result.answers}, {result.never}")
    return result


def _open_all(hall: Hall, drafts: list[str]) -> None:
    """Open drops one after the other, each with a countdown, like a host."""
    for draft in drafts:
        hall.operator.open_in(hall.room_id, draft, 0.3)
        time.sleep(OPENS_EVERY_S)


def _tell(crowd: Crowd) -> Tally:
    tally = crowd.tell()
    if tally.wrong or tally.anew or tally.refused:
        raise RuntimeError(
            f"{tally.wrong[:3]} ({len(tally.wrong)} in all), {tally.anew} got a snapshot, "
            f"{tally.refused} refused handshakes"
        )
    return tally


def _add_reserve(add: Add, sold: Result, p50: str, p99: str) -> None:
    for name, percent in ((p50, "50"), (p99, "99")):
        waited_ms = sold.latency_ms[percent]
        assert waited_ms is not None  # noqa: S101  all got answers
        add(name, waited_ms, "ms")


@contextmanager
def _meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Run this in a thread beside the block; wait for its end and raise its error."""
    faults: list[Exception] = []

    def do() -> None:
        try:
            work()
        except Exception as fault:
            faults.append(fault)

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    for fault in faults:
        raise fault
