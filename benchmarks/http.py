"""One worker over HTTP against a bare aiohttp handler and the naive design, in turns.

Every request to reserve is another buyer's, with a token, an Idempotency-Key and a body: while
there is stock, and when nothing is left. The same request goes to the bare handler, too, which only
reads it: what aiohttp takes by itself. Then, open loop, at 70 % of what the closed loop reached.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from redis import Redis

from benchmarks import closed_loop, names
from benchmarks.closed_loop import Shot
from benchmarks.latency import trace_curve, wait_at_seventy
from benchmarks.machine import LOAD_CORE, cpu_s, pinned
from benchmarks.naive import stock_key
from benchmarks.processes import free_port, server
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from stock.ids import new_id
from tests.servers import Valkey

FIGURE = "http"


class Cell(Struct):
    """What is asked, of the process whose CPU time it costs."""

    name: str
    pid: int
    run: Callable[[int], Shot]


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round on fresh servers; in the last one the curve of latency, too. Then the audit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livesale-")))
        shop = stack.enter_context(open_shop(folder, scale.buyers))
        with pinned(LOAD_CORE):
            cells = [*_hello(shop, stack), _naive(shop, stack), *_shop(shop)]
            for cell in cells if scale.warm_up_s else ():
                cell.run(scale.warm_up_s)
            for cell in cells:
                before_s = cpu_s(cell.pid)
                shot = cell.run(scale.seconds)
                cpu_us = 1e6 * (cpu_s(cell.pid) - before_s) / shot.requests
                records.add(FIGURE, cell.name, shot.per_s, "requests/s", cpu_us)
            best = records.find(names.RESERVE_LANE) or records.find(names.RESERVE_PLAIN)
            assert best is not None  # noqa: S101  measured above
            wait_at_seventy(shop, best.values[-1], scale, records)
            if last:
                trace_curve(shop, best.median, scale, records)
        records.audits.append(shop.audit())


def _hello(shop: Shop, stack: ExitStack) -> list[Cell]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    pid = stack.enter_context(server(port, "benchmarks.hello", str(port)))
    return [
        Cell(names.HELLO, pid, lambda s: closed_loop.get(url, s)),
        Cell(names.HELLO_POST, pid, lambda s: closed_loop.reserve(url, "any", shop.tokens, s)),
    ]


def _naive(shop: Shop, stack: ExitStack) -> Cell:
    valkey = Valkey("--appendfsync", "everysec")
    stack.callback(valkey.remove)
    valkey.start()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    pid = stack.enter_context(server(port, "benchmarks.naive", str(port), valkey.url))

    def sell(seconds: int) -> Shot:
        drop_id = new_id()
        redis = Redis.from_url(valkey.url)
        redis.set(stock_key(drop_id), MANY)
        shot = closed_loop.reserve(url, drop_id, shop.tokens, seconds)
        left = int(redis.get(stock_key(drop_id)))  # type: ignore[arg-type]
        redis.close()
        if shot.refused or MANY - left < shot.requests:
            raise RuntimeError(f"{MANY - left} taken by {shot}")
        return shot

    return Cell(names.NAIVE, pid, sell)


def _shop(shop: Shop) -> list[Cell]:
    plain, lane = shop.plain, shop.lane
    selling = [Cell(names.RESERVE_PLAIN, plain.pid, plain.sell)]
    refusing = [Cell(names.SOLD_OUT_PLAIN, plain.pid, plain.refuse)]
    if lane is not None:
        selling.append(Cell(names.RESERVE_LANE, lane.pid, lane.sell))
        refusing.append(Cell(names.SOLD_OUT_LANE, lane.pid, lane.refuse))
    return [*selling, *refusing]
