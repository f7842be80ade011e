"""The goodput of one worker under overload, by buyers and by strangers.

The worker has a core; Valkey and the load share the other one. Clients have different addresses in
127.0.0.0/8, and no proxy is trusted, so limits per address work as behind a load balancer.
"""

import itertools
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.operator import Operator
from benchmarks.overload.attacks import ATTACKS, attack_alone
from benchmarks.overload.health import watch_health
from benchmarks.overload.wire import Lines, Offered, flood
from benchmarks.processes import Server, server
from livesale.settings import Settings, as_environment, load_settings
from livesale.tokens.signing import TokenSigner
from tests.ports import free_port
from tests.servers import Valkey

BUYERS = 20_000
UNITS = 10_000_000
PER_BUYER = 1_000
POLITE = [f"127.0.1.{number}" for number in range(1, 65)]
SHARE = 0.3  # share of the peak that polite buyers offer beside strangers
RSS_EVERY_S = 0.5


class Scale(Struct, frozen=True):
    peak_s: float
    flood_s: float
    hostile_s: float
    rounds: int
    lines: int


FULL = Scale(peak_s=10, flood_s=60, hostile_s=10, rounds=3, lines=4_000)
QUICK = Scale(peak_s=2, flood_s=4, hostile_s=2, rounds=1, lines=400)


class Load(Struct):
    """One load: reservations a second, the worst health, the worker's memory."""

    name: str
    offered_per_s: float
    goodput_per_s: float
    of_peak: float
    last_third: float  # share of the peak in the last third of the time
    health_ms: float
    rss_mib: float


class Hostile(Struct):
    """One attack: reservations a second of the polite, alone and beside it, by round."""

    name: str
    what: str
    alone_per_s: list[float]
    beside_per_s: list[float]
    health_ms: float
    rss_mib: float

    @property
    def lost(self) -> float:
        """The share that the polite buyers lost: the median of the rounds."""
        pairs = zip(self.alone_per_s, self.beside_per_s, strict=True)
        return statistics.median(1 - beside / alone for alone, beside in pairs)


class Found(Struct):
    loads: list[Load]
    hostile: list[Hostile]


class Stage:
    """A worker that sells, and the requests for it."""

    def __init__(self, settings: Settings, worker: Server) -> None:
        self.port = settings.http.port
        self._pid = worker.pid
        operator = Operator(worker.url, settings)
        self.drop_id = operator.open_drop(UNITS, PER_BUYER)
        self.path = f"/v1/rooms/{operator.open_room()}/socket".encode()
        signer = TokenSigner.from_settings(settings)
        head = (
            f"POST /v1/drops/{self.drop_id}/reservations HTTP/1.1\r\nHost: a\r\n"
            "Content-Type: application/json\r\nContent-Length: 14\r\nAuthorization: Bearer "
        )
        asks = [
            f'{head}{signer.buyer(f"buyer-{n:06d}")}\r\n\r\n{{"quantity":1}}'.encode()
            for n in range(BUYERS)
        ]
        self.ask = itertools.cycle(asks).__next__

    def load(
        self, rate: float, seconds: float, lines: int, depth: int
    ) -> tuple[Offered, float, float]:
        """Offer a load; returns the answers, the worst health in ms, the most memory in MiB."""
        with self._watched(seconds) as seen:
            reserving = Lines(self.port, POLITE, lines)
            time.sleep(0.2)
            found = flood(reserving, self.ask, rate, seconds, depth=depth)
            reserving.close()
        return found, max(seen.health), max(seen.rss)

    @contextmanager
    def _watched(self, seconds: float) -> "Iterator[Seen]":
        seen = Seen()
        ours, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        child = spawn.Process(target=watch_health, args=(self.port, seconds, theirs), daemon=True)
        child.start()
        theirs.close()  # so that we notice if the child dies
        over = threading.Event()

        def watch() -> None:
            while not over.wait(RSS_EVERY_S):
                seen.rss.append(self._resident_mib())

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        yield seen
        over.set()
        watching.join()
        seen.rss.append(self._resident_mib())
        seen.health = ours.recv()
        child.join()

    def _resident_mib(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Seen:
    def __init__(self) -> None:
        self.health: list[float] = []
        self.rss: list[float] = []


def measure(scale: Scale, only: Sequence[str] = ()) -> Found:
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder, pinned(LOAD_CORE):
        with open_stage(
            Path(folder) / "flood", address_per_s=1e6, address_burst=1_000_000
        ) as stage:
            loads = list(_overload(stage, scale))
        with open_stage(Path(folder) / "hostile") as stage:
            rate = SHARE * loads[0].goodput_per_s
            hostile = [_beside(stage, name, scale, rate) for name in only or ATTACKS]
    return Found(loads, hostile)


def _overload(stage: Stage, scale: Scale) -> Iterator[Load]:
    stage.load(1e9, 1.0, 256, 1)  # warm
    peak = 0.0
    for name, factor, seconds, lines, depth in (
        ("the peak, one request on each of 512 connections", 0, scale.peak_s, 512, 1),
        ("10 times the peak, one on each connection", 10, scale.flood_s, scale.lines, 1),
        ("10 times the peak, pipelined", 10, scale.flood_s, scale.lines, 64),
    ):
        offered, health_ms, rss_mib = stage.load(factor * peak or 1e9, seconds, lines, depth)
        good = offered.found[b"201"] / seconds
        peak = peak or good
        late = offered.good_by_s[-max(1, len(offered.good_by_s) // 3) :]
        yield Load(
            name,
            factor * peak or offered.sent / seconds,
            good,
            good / peak,
            statistics.mean(late) / peak if late else 0.0,
            health_ms,
            rss_mib,
        )


def _beside(stage: Stage, name: str, scale: Scale, rate: float) -> Hostile:
    spawn = multiprocessing.get_context("spawn")
    what = (ATTACKS[name].__doc__ or "").strip().rstrip(".")
    found = Hostile(name, what, [], [], 0.0, 0.0)
    for _ in range(scale.rounds):
        alone, _, _ = stage.load(rate, scale.hostile_s, 256, 1)
        found.alone_per_s.append(alone.found[b"201"] / scale.hostile_s)
        arguments = (name, stage.port, scale.hostile_s + 3, stage.path)
        stranger = spawn.Process(target=attack_alone, args=arguments, daemon=True)
        stranger.start()
        time.sleep(2)
        beside, health_ms, rss_mib = stage.load(rate, scale.hostile_s, 256, 1)
        stranger.kill()
        stranger.join()
        found.beside_per_s.append(beside.found[b"201"] / scale.hostile_s)
        found.health_ms = max(found.health_ms, health_ms)
        found.rss_mib = max(found.rss_mib, rss_mib)
    return found


@contextmanager
def open_stage(folder: Path, **limits: float) -> Iterator[Stage]:
    """One API worker with everything on; stops with the block."""
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.remove)
        valkey.start()
        settings = load_settings(
            data_dir=folder,
            redis__url=valkey.url,
            http__port=free_port(),
            http__trusted_proxies=[],
            limits__buyer_per_s=1e6,
            limits__buyer_burst=1_000_000,
            log__format="json",
            **{f"limits__{name}": value for name, value in limits.items()},
        )
        arguments = ("api-worker", "--index", "0")
        env = as_environment(settings)
        worker = stack.enter_context(
            server("livesale", *arguments, port=settings.http.port, env=env)
        )
        worker.wait()
        yield Stage(settings, worker)
