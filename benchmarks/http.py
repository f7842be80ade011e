"""One worker over HTTP against a bare aiohttp handler and two naive designs, in turns.

Every reservation comes from another buyer, with a token, an Idempotency-Key and a body: while
there is stock, and when nothing is left. The same request also goes to the bare handler, which
only reads it (the cost of aiohttp), and to a protocol that parses nothing (the cost of the kernel
and the event loop).

During the sale we record the CPU time of all processes: Valkey and the load share a core, and that
bounds what any worker can reach here.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct
from redis import Redis

from benchmarks import closed_loop, names
from benchmarks.calibration import loop_ms
from benchmarks.closed_loop import Shot, Tokens
from benchmarks.machine import LOAD_CORE, children_cpu_s, cpu_s, pinned
from benchmarks.naive import stock_key
from benchmarks.processes import Server, server
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from stock.ids import new_id
from tests.ports import free_port
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
    """One round on fresh servers, with an audit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        bare, floor = stack.enter_context(hello()), stack.enter_context(_floor())
        valkey = stack.enter_context(_valkey())
        naive = stack.enter_context(_naive("benchmarks.naive", valkey))
        fastapi = stack.enter_context(_naive("benchmarks.naive_fastapi", valkey))
        shop = stack.enter_context(open_shop(folder, scale.buyers))
        for yardstick in (bare, floor, naive, fastapi):
            yardstick.wait()
        with pinned(LOAD_CORE):
            cells = [
                Cell(names.HELLO, bare.pid, partial(closed_loop.get, bare.url)),
                *(
                    Cell(name, of.pid, partial(closed_loop.reserve, of.url, new_id(), shop.tokens))
                    for name, of in ((names.HELLO_POST, bare), (names.FLOOR, floor))
                ),
                *(
                    Cell(name, of.pid, partial(_sell_naively, of, valkey, shop.tokens))
                    for name, of in ((names.NAIVE, naive), (names.FASTAPI, fastapi))
                ),
                Cell(names.HELLO_CROWD, bare.pid, partial(closed_loop.get, bare.url, **_CROWD)),
                *_shop(shop),
            ]
            for cell in cells if scale.warm_up_s else ():
                cell.run(scale.warm_up_s)
            for cell in cells * scale.passes:
                run_cell(FIGURE, cell, scale.seconds, records)
        records.audits.append(shop.audit())


def run_cell(figure: str, cell: Cell, seconds: int, records: Records) -> None:
    """Run a cell; record its rate and CPU time."""
    others = [cell.valkey_pid] if cell.valkey_pid is not None else []
    loop_before_ms = loop_ms()
    before_s, load_before_s = [cpu_s(pid) for pid in (cell.pid, *others)], children_cpu_s()
    shot = cell.run(seconds)
    load_us = 1e6 * (children_cpu_s() - load_before_s) / shot.requests
    after_s = [cpu_s(pid) for pid in (cell.pid, *others)]
    cpu_us, *beside_us = [
        1e6 * (after - before) / shot.requests
        for after, before in zip(after_s, before_s, strict=True)
    ]
    beside_ms = (loop_before_ms + loop_ms()) / 2
    records.add(figure, cell.name, shot.per_s, "requests/s", cpu_us, beside_ms)
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
def hello() -> Iterator[Server]:
    port = free_port()
    with server("benchmarks.hello", str(port), port=port) as started:
        yield started


@contextmanager
def _valkey() -> Iterator[Valkey]:
    valkey = Valkey("--appendfsync", "everysec")
    try:
        with pinned(LOAD_CORE):
            valkey.start()
        yield valkey
    finally:
        valkey.remove()


@contextmanager
def _naive(module: str, valkey: Valkey) -> Iterator[Server]:
    port = free_port()
    with server(module, str(port), valkey.url, port=port) as naive:
        yield naive


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
