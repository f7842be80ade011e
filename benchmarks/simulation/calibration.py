"""Measures the costs of the simulation on this machine, in a minute or two.

Of some rounds the fastest counts: whatever else runs here can only make a step slower. CPU times
are the scheduler's, in nanoseconds.
"""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop
from msgspec import Struct
from msgspec.structs import replace
from redis import Redis

from benchmarks import writer
from benchmarks.closed_loop import Shot
from benchmarks.engine import HOUR_MS
from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned, ran_s
from benchmarks.records import Records
from benchmarks.scale import QUICK
from benchmarks.shop import Worker, open_shop
from benchmarks.simulation.costs import Costs, Line
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms
from tests.ports import free_port
from tests.servers import Valkey

SIZES = (1, 8, 64, 256)
CALLS = {1: 1_200, 8: 600, 64: 250, 256: 100}
ROUNDS = 3
CROWD = 512
BUYERS = 120_000
WRITTEN = 20_000
NETWORK_S = 100e-6

Cells = dict[int, "Cell"]


class Cell(Struct):
    """Seconds of one call: on the clock, of the client's CPU, of the server's CPU."""

    elapsed: float
    client: float
    server: float

    @property
    def waited(self) -> float:
        return max(self.elapsed - self.client - self.server, 0.0)


def calibrate(network_s: float = NETWORK_S) -> Costs:
    """All costs. Raises RuntimeError if a load did not do what it should."""
    memory, durable, refused, move, look, bytes_in, bytes_out = _engines()
    confirm, confirm_cpu = _replication()
    request, shortcut = _worker(engine := _line({n: cell.client for n, cell in durable.items()}))
    loopback = min(cell.waited for cell in memory.values()) / 2
    return Costs(
        engine=engine,
        script=_line({n: cell.server for n, cell in durable.items()}),
        refusal=_line({n: cell.server for n, cell in refused.items()}),
        fsync=_line({n: max(cell.waited - 2 * loopback, 0) for n, cell in durable.items()}),
        confirm=confirm,
        confirm_cpu=confirm_cpu,
        move=move,
        look=look,
        request=request,
        shortcut=shortcut,
        row=_row(),
        loopback=loopback,
        network=network_s,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )


def _line(points: dict[int, float]) -> Line:
    """The straight line through the smallest and the largest call."""
    small, large = min(points), max(points)
    each = max((points[large] - points[small]) / (large - small), 0.0)
    return Line(max(points[small] - each * small, 0.0), each)


def _engines() -> tuple[Cells, Cells, Cells, float, float, float, float]:
    with ExitStack() as stack:
        found = []
        for durable in (False, True):
            server = Valkey(durable=durable)
            stack.callback(server.remove)
            with pinned(LOAD_CORE):
                server.start()
            found.append(server)
        memory, durable_ = found
        with pinned(SERVER_CORE):
            plain = uvloop.run(_calls(memory.url, memory.pid, SIZES))
            with Redis.from_url(durable_.url) as redis:
                before = redis.info("stats")
                kept = uvloop.run(_calls(durable_.url, durable_.pid, SIZES[-1:], rounds=1))
                after = redis.info("stats")
            attempts = CALLS[SIZES[-1]] * SIZES[-1]
            traffic = [
                (after[name] - before[name]) / attempts
                for name in ("total_net_input_bytes", "total_net_output_bytes")
            ]
            kept |= uvloop.run(_calls(durable_.url, durable_.pid, SIZES))
            refused = uvloop.run(_calls(durable_.url, durable_.pid, SIZES, units=1))
            move, look = uvloop.run(_scripts(durable_.url, durable_.pid))
    return plain, kept, refused, move, look, traffic[0], traffic[1]


async def _opened(url: str, replicas: int = 0) -> RedisEngine:
    redis, keyspace = connect(url), Keyspace(1)
    await redis.set(keyspace.epoch(0), 1)
    engine = RedisEngine(redis, keyspace, {0: 1}, replicas=replicas)
    await engine.load_scripts()
    return engine


async def _drop(engine: RedisEngine, units: int) -> str:
    drop_id, now_ms = new_id(), await engine.now_ms()
    terms = DropTerms(now_ms, now_ms + HOUR_MS, HOUR_MS, 1, 9_900, units)
    await engine.open_drop(drop_id, terms)
    return drop_id


async def _calls(
    url: str,
    pid: int,
    sizes: Sequence[int],
    *,
    units: int = 0,
    rounds: int = ROUNDS,
    replicas: int = 0,
) -> Cells:
    """Calls of `reserve`, one after the other; with `units` nearly all are refused."""
    engine = await _opened(url, replicas)
    best: Cells = {}
    for _ in range(rounds):
        for size in sizes:
            calls = CALLS[size]
            drop_id = await _drop(engine, units or size * calls)
            batches = [
                [Attempt(random_rid(drop_id), f"buyer-{at:06d}-{n:04d}") for n in range(size)]
                for at in range(calls)
            ]
            waiting = iter(batches)

            async def reserve(drop_id: str = drop_id, waiting: object = waiting) -> None:
                await engine.reserve(drop_id, next(waiting))  # type: ignore[call-overload]

            _keep_best(best, size, await _timed(reserve, calls, pid))
            snapshot = await engine.snapshot(drop_id)
            if snapshot is None or snapshot.held != (units or size * calls):
                raise RuntimeError(f"not {units or size * calls} held: {snapshot}")
    await engine.redis.aclose()
    return best


def _keep_best(best: Cells, size: int, cell: Cell) -> None:
    before = best.get(size, cell)
    fields = Cell.__struct_fields__
    best[size] = Cell(*(min(getattr(before, name), getattr(cell, name)) for name in fields))


async def _timed(do: Callable[[], Awaitable[None]], calls: int, pid: int) -> Cell:
    """The median of the calls on the clock, which others disturb least, and their mean CPU."""
    server_s, client_s, took_s = ran_s(pid), time.process_time(), []
    for _ in range(calls):
        started_s = time.perf_counter()
        await do()
        took_s.append(time.perf_counter() - started_s)
    client_s, server_s = time.process_time() - client_s, ran_s(pid) - server_s
    return Cell(statistics.median(took_s), client_s / calls, server_s / calls)


async def _scripts(url: str, pid: int) -> tuple[float, float]:
    """CPU of the server for an adjustment and for a snapshot."""
    engine = await _opened(url)
    drop_id, number = await _drop(engine, 1_000_000), iter(range(10**9))

    async def move() -> None:
        await engine.adjust_drop(drop_id, f"adjust-{next(number)}", 1, "measured")

    async def look() -> None:
        await engine.snapshot(drop_id)

    found: dict[str, Cells] = {"move": {}, "look": {}}
    for _ in range(ROUNDS):
        for name, do in (("move", move), ("look", look)):
            _keep_best(found[name], 1, await _timed(do, 400, pid))
    await engine.redis.aclose()
    return found["move"][1].server, found["look"][1].server


def _replication() -> tuple[Line, float]:
    """What the confirmation of one replica adds to a call, both in memory: the wait, and CPU."""
    port = free_port()
    options = ("--repl-diskless-sync-delay", "0")
    primary = Valkey("--port", str(port), "--bind", "127.0.0.1", *options, durable=False)
    replica = Valkey("--replicaof", f"127.0.0.1 {port}", *options, durable=False)
    try:
        with pinned(LOAD_CORE):
            primary.start()
            replica.start()
        with Redis.from_url(primary.url) as redis:
            for _ in range(600):
                if redis.info("replication").get("slave0", {}).get("state") == "online":
                    break
                time.sleep(0.05)
        with pinned(SERVER_CORE):
            alone: Cells = {}
            sure: Cells = {}
            for _ in range(ROUNDS):
                for cells, replicas in ((alone, 0), (sure, 1)):
                    found = uvloop.run(
                        _calls(primary.url, primary.pid, (1, 64), rounds=1, replicas=replicas)
                    )
                    for size, cell in found.items():
                        _keep_best(cells, size, cell)
    finally:
        replica.remove()
        primary.remove()
    waits = {size: max(sure[size].waited - alone[size].waited, 0.0) for size in sure}
    return _line(waits), max(sure[1].server - alone[1].server, 0.0)


def _worker(engine: Line) -> tuple[float, float]:
    """CPU of an API worker for a request, without the engine's part, and for a "sold out"."""
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        open_shop(Path(folder), BUYERS) as shop,
        pinned(LOAD_CORE),
    ):
        worker = shop.lane
        worker.sell(1, CROWD)
        with Redis.from_url(str(shop.settings.redis.url)) as redis:
            requests = []
            for _ in range(ROUNDS):
                redis.config_resetstat()
                each_s, answers = _cpu(worker, lambda: worker.sell(1, CROWD))
                calls = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
                requests.append(each_s - engine.of(answers, calls) / answers)
        drop_id = worker.operator.open_drop(1)
        worker.operator.reserve(drop_id, "first")
        worker.refuse_until_known(drop_id)
        shortcuts = [
            _cpu(worker, lambda: worker.refuse_more(drop_id, 1, CROWD))[0] for _ in range(ROUNDS)
        ]
        shop.audit()
    return min(requests), min(shortcuts)


def _cpu(worker: Worker, run: Callable[[], Shot]) -> tuple[float, int]:
    """CPU of the worker for each answer, and their number."""
    before_s = ran_s(worker.pid)
    shot = run()
    return (ran_s(worker.pid) - before_s) / shot.requests, shot.requests


def _row() -> float:
    """A writer's time for a row, on MariaDB."""
    records = Records()
    for _ in range(2):
        writer.measure(replace(QUICK, written=WRITTEN), records, last=False)
    return 1 / max(next(records.of(writer.FIGURE)).values)
