"""What one API worker makes over HTTP, against a bare aiohttp handler, in turns.

One worker of livesale as it runs in production (tokens, limits, metrics, sampled access log) and
the server of `benchmarks.hello` share core 0; wrk and a Valkey with `appendfsync always` are on
core 1. Every request to reserve is another buyer's, with an Idempotency-Key and a body: once while
there is stock, once on a drop that is sold out, and once to the bare aiohttp, which answers hello
to that too. Each round asks each in turn, on fresh drops. The figures that matter are the ratios
to hello inside one run; the CPU time of the server for one request swings less than the rates
where others use the machine.
`python -m benchmarks.http [--rounds N] [--seconds S] [--json | --markdown]`
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

from livesale.identity.tokens import TokenSigner
from livesale.settings import Settings, as_environment, load_settings
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import new_id, random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms
from tests.servers import Valkey, die_with_parent

CONNECTIONS = 128
BUYERS = 200_000
HOUR_MS = 3_600_000
START_S = 30.0
SERVER_CORE, LOAD_CORE = 0, 1
WARM_UP_S = 1
SCRIPT = Path(__file__).with_name("reservations.lua")
_REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(m?s)")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")


class Cell(Struct):
    """Requests a second of each round, and the server's CPU for one request in µs."""

    name: str
    per_s: list[float] = []
    cpu_us: list[float] = []


class Result(Struct):
    cells: list[Cell]
    connections: int
    seconds: int
    server: str
    python: str
    wrk: str

    def ratio(self, cell: Cell) -> float:
        """The median of the rates to that of hello, which is the first cell."""
        return statistics.median(cell.per_s) / statistics.median(self.cells[0].per_s)

    def cpu_ratio(self, cell: Cell) -> float:
        """The same by CPU time: hello's for one request to this one's."""
        return statistics.median(self.cells[0].cpu_us) / statistics.median(cell.cpu_us)


class Shot(Struct, frozen=True):
    """What one run of wrk found."""

    requests: int
    refused: int
    elapsed_s: float


class Shop:
    """A worker of livesale on a Valkey, and the drops it sells."""

    def __init__(self, valkey: Valkey, settings: Settings, tokens: Path) -> None:
        self.keyspace = Keyspace(settings.stock.partitions)
        self.url = f"http://127.0.0.1:{settings.http.port}/"
        self._valkey = valkey
        self._tokens = tokens

    async def open(self, allotted: int) -> str:
        """A drop with so many units for sale, one for each buyer; one with 0 has sold its only."""
        async with self._engine() as engine:
            drop_id, now_ms = new_id(), await engine.now_ms()
            terms = DropTerms(now_ms, now_ms + HOUR_MS, HOUR_MS, 1, 9_900, max(allotted, 1))
            await engine.open_drop(drop_id, terms)
            if not allotted:
                await engine.reserve(drop_id, [Attempt(random_rid(drop_id), "first")])
        return drop_id

    async def held(self, drop_id: str) -> int:
        async with self._engine() as engine:
            snapshot = await engine.snapshot(drop_id)
        return snapshot.held if snapshot else 0

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[RedisEngine]:
        redis = connect(self._valkey.url)
        epochs = dict.fromkeys(range(self.keyspace.partitions), 1)
        yield RedisEngine(redis, self.keyspace, epochs)
        await redis.aclose()

    def reserve(self, seconds: int) -> Shot:
        """Buyers reserve, and every one of them gets a unit."""
        drop_id = asyncio.run(self.open(allotted=10_000_000))
        shot = self.post(self.url, drop_id, seconds)
        held = asyncio.run(self.held(drop_id))
        # What was under way when wrk hung up is held, and in no count of wrk's.
        if shot.refused or not 0 <= held - shot.requests <= CONNECTIONS:
            raise RuntimeError(f"{held} held by {shot}")
        return shot

    def refuse(self, seconds: int) -> Shot:
        """Buyers come to a drop that has nothing left."""
        drop_id = asyncio.run(self.open(allotted=0))
        shot = self.post(self.url, drop_id, seconds)
        if shot.refused != shot.requests or asyncio.run(self.held(drop_id)) != 1:
            raise RuntimeError(f"not every buyer was refused: {shot}")
        return shot

    def post(self, url: str, drop_id: str, seconds: int) -> Shot:
        """Requests to reserve, to whoever is there."""
        args = (drop_id, str(self._tokens), drop_id)
        return shoot(url, seconds, "-s", str(SCRIPT), url, "--", *args)


def measure(rounds: int, seconds: int, folder: Path) -> Result:
    """Ask each server in turn, `rounds` times."""
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.remove)
        valkey.start()
        settings = _settings(valkey, folder, fast_lane=True)
        plain_settings = _settings(valkey, folder, fast_lane=False)
        worker = stack.enter_context(_worker(settings, 0))
        _wait_for(settings.http.port)  # the first claims the deployment
        plain = stack.enter_context(_worker(plain_settings, 1))
        port = _free_port()
        hello = stack.enter_context(_process("benchmarks.hello", str(port)))
        tokens = _write_tokens(settings, folder)
        shop, plain_shop = Shop(valkey, settings, tokens), Shop(valkey, plain_settings, tokens)
        greet = f"http://127.0.0.1:{port}/"
        for listening in (plain_settings.http.port, port):
            _wait_for(listening)
        if len(os.sched_getaffinity(0)) > 1:
            for pid in (worker, plain, hello):
                os.sched_setaffinity(pid, {SERVER_CORE})
            os.sched_setaffinity(valkey.pid, {LOAD_CORE})
            os.sched_setaffinity(0, {LOAD_CORE})
        runs: list[tuple[Cell, int, Callable[[int], Shot]]] = [
            (Cell("hello"), hello, lambda s: shoot(greet, s, greet)),
            (Cell("hello, to the same POST"), hello, lambda s: shop.post(greet, new_id(), s)),
            (Cell("reserve"), worker, shop.reserve),
            (Cell("sold out"), worker, shop.refuse),
            (Cell("reserve, fast lane off"), plain, plain_shop.reserve),
            (Cell("sold out, fast lane off"), plain, plain_shop.refuse),
        ]
        for _, _, run in runs:
            run(WARM_UP_S)
        for _ in range(rounds):
            for cell, pid, run in runs:
                before_s = _cpu_s(pid)
                shot = run(seconds)
                cell.cpu_us.append(1e6 * (_cpu_s(pid) - before_s) / shot.requests)
                cell.per_s.append(shot.requests / shot.elapsed_s)
        version = _valkey_version(valkey)
    cells = [cell for cell, _, _ in runs]
    return Result(cells, CONNECTIONS, seconds, version, platform.python_version(), _wrk_version())


def shoot(url: str, seconds: int, *command: str) -> Shot:
    """Ask as fast as the answers come. Raises RuntimeError where the network failed."""
    options = ("-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s")
    wrk = ["wrk", *options, *command]
    done = subprocess.run(wrk, capture_output=True, text=True, check=True)  # noqa: S603  ours
    found = _REQUESTS.search(done.stdout)
    if found is None or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk and {url}:\n{done.stdout}")
    refused = _REFUSED.search(done.stdout)
    elapsed_s = float(found[2]) / (1000 if found[3] == "ms" else 1)
    return Shot(int(found[1]), int(refused[1]) if refused else 0, elapsed_s)


def _settings(valkey: Valkey, folder: Path, *, fast_lane: bool) -> Settings:
    """Those of production where they cost anything: one client may ask as often as it can."""
    return load_settings(
        data_dir=folder / "data",
        http__fast_lane=fast_lane,
        redis__url=valkey.url,
        http__port=_free_port(),
        # No proxy: wrk's address is counted as a client's, and must never be refused.
        http__trusted_proxies=[],
        limits__address_per_s=1e6,
        limits__address_burst=10**6,
        log__format="json",
    )


@contextmanager
def _worker(settings: Settings, index: int) -> Iterator[int]:
    env = as_environment(settings)
    with _process("livesale", "api-worker", "--index", str(index), env=env) as pid:
        yield pid


@contextmanager
def _process(module: str, *args: str, env: dict[str, str] | None = None) -> Iterator[int]:
    process = subprocess.Popen(  # noqa: S603  ours
        [sys.executable, "-m", module, *args],
        env=os.environ | (env or {}),
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _write_tokens(settings: Settings, folder: Path) -> Path:
    signer = TokenSigner.from_settings(settings)
    path = folder / "tokens"
    path.write_text("\n".join(signer.buyer(f"buyer-{n:08d}") for n in range(BUYERS)))
    return path


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _valkey_version(valkey: Valkey) -> str:
    async def ask() -> str:
        redis = connect(valkey.url)
        info = await redis.info("server")
        await redis.aclose()
        return str(info.get("valkey_version") or info["redis_version"])

    return asyncio.run(ask())


def _wrk_version() -> str:
    ask = ["wrk", "-v"]
    said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return said.split()[1] if said else "?"


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    for cell in result.cells:
        figures = (min(cell.per_s), statistics.median(cell.per_s), max(cell.per_s))
        yield (
            cell.name,
            *(f"{figure:,.0f}" for figure in figures),
            f"{result.ratio(cell):.2f}",
            f"{statistics.median(cell.cpu_us):.1f}",
            f"{result.cpu_ratio(cell):.2f}",
        )


COLUMNS = ("", "min", "median", "max", "to hello", "CPU µs each", "hello's CPU to it")


def table_of(result: Result) -> Table:
    """The figures as people read them."""
    table = Table(title=f"one API worker, requests/s · Valkey {result.server}")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    for row in _rows(result):
        table.add_row(*row)
    return table


def markdown_of(result: Result) -> str:
    """The same table as docs/benchmarks.md has it."""
    lines = [
        f"Valkey {result.server}, Python {result.python}, wrk {result.wrk}; "
        f"{result.connections} connections, {len(result.cells[0].per_s)} rounds of "
        f"{result.seconds} s; requests/s:",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---{'|--:' * (len(COLUMNS) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in _rows(result)),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="per round and cell")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--markdown", action="store_true", help="print the table of the docs")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("This needs wrk: install the package wrk (apt, brew), or build wg/wrk.")
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder:
        result = measure(options.rounds, options.seconds, Path(folder))
    if options.json:
        ratios = {cell.name: result.ratio(cell) for cell in result.cells}
        cells = [structs.asdict(cell) for cell in result.cells]
        json.dump(structs.asdict(result) | {"cells": cells, "to_hello": ratios}, sys.stdout)
        print()
    elif options.markdown:
        print(markdown_of(result))
    else:
        Console().print(table_of(result))


if __name__ == "__main__":
    main()
