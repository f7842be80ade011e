"""One worker over HTTP against a bare aiohttp handler and the naive design, in turns.

Every reservation comes from another buyer, with a token, an Idempotency-Key and a body: while
there is stock, and when nothing is left. The same request also goes to the bare handler, which
only reads it (the cost of aiohttp), and to a protocol that parses nothing (the cost of the kernel
and the event loop). Then follows an open loop at 70 % of what the closed loop reached.

During the sale we record the CPU time of all processes: Valkey and the load share a core, and that
bounds what any worker can reach here.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct
from redis import Redis

from benchmarks import closed_loop, names
from benchmarks.closed_loop import Shot, Tokens
from benchmarks.latency import trace_curve, wait_at_seventy
from benchmarks.machine import LOAD_CORE, children_cpu_s, cpu_s, pinned
from benchmarks.naive import stock_key
from benchmarks.processes import Server, free_port, server
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from stock.ids import new_id
from tests.servers import Valkey

FIGURE = "http"
_CROWD = {"connections": 512}  # four times the usual number
CORES = "cores"  # the figure: CPU time of a fast-lane reservation by process


class Cell(Struct):
    """A load, and the process whose CPU time it measures."""

    name: str
    pid: int
    run: Callable[[int], Shot]
    valkey_pid: int | None = None  # also measure Valkey's share


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round on fresh servers, with an audit; the last one also measures the latency curve."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        hello, floor = stack.enter_context(_hello()), stack.enter_context(_floor())
        naive, valkey = stack.enter_context(_naive())
        shop = stack.enter_context(open_shop(folder, scale.buyers))
        for yardstick in (hello, floor, naive):
            yardstick.wait()
        with pinned(LOAD_CORE):
            cells = [
                Cell(names.HELLO, hello.pid, partial(closed_loop.get, hello.url)),
                *(
                    Cell(name, of.pid, partial(closed_loop.reserve, of.url, new_id(), shop.tokens))
                    for name, of in ((names.HELLO_POST, hello), (names.FLOOR, floor))
                ),
                Cell(names.NAIVE, naive.pid, partial(_sell_naively, naive, valkey, shop.tokens)),
                Cell(names.HELLO_CROWD, hello.pid, partial(closed_loop.get, hello.url, **_CROWD)),
                *_shop(shop),
            ]
            for cell in cells if scale.warm_up_s else ():
                cell.run(scale.warm_up_s)
            for cell in cells * scale.passes:
                _run(cell, scale.seconds, records)
            best = records.find(names.RESERVE_LANE)
            assert best is not None  # noqa: S101  measured above
            wait_at_seventy(shop, statistics.mean(best.values[-scale.passes :]), scale, records)
            if last:
                trace_curve(shop, best.median, scale, records)
        records.audits.append(shop.audit())


def _run(cell: Cell, seconds: int, records: Records) -> None:
    """Run a cell; record its rate and CPU time."""
    others = [cell.valkey_pid] if cell.valkey_pid is not None else []
    before_s, load_before_s = [cpu_s(pid) for pid in (cell.pid, *others)], children_cpu_s()
    shot = cell.run(seconds)
    load_us = 1e6 * (children_cpu_s() - load_before_s) / shot.requests
    after_s = [cpu_s(pid) for pid in (cell.pid, *others)]
    cpu_us, *beside_us = [
        1e6 * (after - before) / shot.requests
        for after, before in zip(after_s, before_s, strict=True)
    ]
    records.add(FIGURE, cell.name, shot.per_s, "requests/s", cpu_us)
    for valkey_us in beside_us:
        records.add(CORES, names.WORKER_CORE, cpu_us, "µs")
        records.add(CORES, names.VALKEY_CORE, valkey_us, "µs")
        records.add(CORES, names.LOAD_CORE, load_us, "µs")
        records.add(CORES, names.CORE_LIMIT, 1e6 / (valkey_us + load_us), "requests/s")


@contextmanager
def _floor() -> Iterator[Server]:
    port = free_port()
    with server("benchmarks.trivial", str(port), port=port) as floor:
        yield floor


@contextmanager
def _hello() -> Iterator[Server]:
    port = free_port()
    with server("benchmarks.hello", str(port), port=port) as hello:
        yield hello


@contextmanager
def _naive() -> Iterator[tuple[Server, Valkey]]:
    valkey, port = Valkey("--appendfsync", "everysec"), free_port()
    try:
        with pinned(LOAD_CORE):
            valkey.start()
        with server("benchmarks.naive", str(port), valkey.url, port=port) as naive:
            yield naive, valkey
    finally:
        valkey.remove()


def _sell_naively(naive: Server, valkey: Valkey, tokens: Tokens, seconds: int) -> Shot:
    """Buyers reserve. Raises RuntimeError if there were more good answers than units taken."""
    drop_id = new_id()
    redis = Redis.from_url(valkey.url)
    redis.set(stock_key(drop_id), MANY)
    shot = closed_loop.reserve(naive.url, drop_id, tokens, seconds)
    taken = MANY - int(redis.get(stock_key(drop_id)))  # type: ignore[arg-type]
    redis.close()
    if shot.refused or taken < shot.requests:
        raise RuntimeError(f"{taken} taken by {shot}")
    return shot


def _shop(shop: Shop) -> list[Cell]:
    plain, lane = shop.plain, shop.lane
    return [
        Cell(names.RESERVE_PLAIN, plain.pid, plain.sell),
        Cell(names.RESERVE_LANE, lane.pid, lane.sell, shop.valkey_pid),
        Cell(names.SOLD_OUT_PLAIN, plain.pid, plain.refuse),
        Cell(names.SOLD_OUT_LANE, lane.pid, lane.refuse),
        Cell(names.RESERVE_CROWD, lane.pid, partial(lane.sell, **_CROWD)),
        Cell(names.SOLD_OUT_CROWD, lane.pid, partial(lane.refuse, **_CROWD)),
    ]
