"""livesale as in production, with its own stores: the system behind the figures over HTTP.

Everything is on: tokens, validation, limits, metrics, sampled log, `appendfsync always`. One API
worker with the fast lane and one without it, on the same stores, both on the measured core; Valkey
on the other one.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.audit import audit
from benchmarks.closed_loop import CONNECTIONS, Shot, Tokens, reserve
from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.operator import Operator
from benchmarks.processes import Server, free_port, helper, server
from livesale.settings import Settings, as_environment, load_settings
from livesale.tokens.signing import TokenSigner
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.keyspace import Keyspace
from tests.servers import Valkey

MANY = 10_000_000
STALL_MS = 30_000


class Worker:
    """One API worker, and the reservations that we send to it."""

    def __init__(self, server: Server, tokens: Tokens, settings: Settings) -> None:
        self.server = server
        self.url = server.url
        self.pid = server.pid
        self.tokens = tokens
        self.operator = Operator(self.url, settings)
        self._come: dict[str, int] = {}  # number of buyers that each drop has had

    def sell(self, seconds: int, connections: int = CONNECTIONS) -> Shot:
        """Buyers reserve on a new drop, and all of them get a unit."""
        return self.sell_more(self.operator.open_drop(MANY), seconds, connections)

    def sell_more(self, drop_id: str, seconds: int, connections: int = CONNECTIONS) -> Shot:
        """The same on an existing drop. Raises RuntimeError if the books differ."""
        before = self.operator.held(drop_id)
        first = self._come.get(drop_id, 0)
        shot = reserve(self.url, drop_id, self.tokens, seconds, first, connections)
        held = self.operator.held(drop_id) - before
        self._come[drop_id] = first + held
        # Requests in flight when the load closed are held, but the load did not count them.
        if shot.refused or not 0 <= held - shot.requests <= connections:
            raise RuntimeError(f"{held} held by {shot}")
        return shot

    def refuse(self, seconds: int, connections: int = CONNECTIONS) -> Shot:
        """Buyers reserve on a drop that is sold out."""
        drop_id = self.operator.open_drop(1)
        self.operator.reserve(drop_id, "first")
        shot = reserve(self.url, drop_id, self.tokens, seconds, connections=connections)
        if shot.refused != shot.requests or self.operator.held(drop_id) != 1:
            raise RuntimeError(f"not every buyer was refused: {shot}")
        return shot


class Shop:
    """Two workers: `lane` with the fast lane, `plain` without it."""

    def __init__(
        self, settings: Settings, valkey: Valkey, tokens: Tokens, plain: Worker, lane: Worker
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.plain = plain
        self.lane = lane
        self._valkey = valkey

    @property
    def valkey_pid(self) -> int:
        return self._valkey.pid

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[RedisEngine]:
        """An engine on this shop's Valkey, without the workers."""
        keyspace = Keyspace(self.settings.stock.partitions)
        redis = connect(self._valkey.url)
        try:
            yield RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
        finally:
            await redis.aclose()

    def audit(self) -> str:
        """Let the writer catch up, then check every promise. RuntimeError if one is broken."""
        with helper("writer", self.settings):
            return audit(self.settings)


@contextmanager
def open_shop(folder: Path, buyers: int) -> Iterator[Shop]:
    """A new shop; it stops with the block."""
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.remove)
        with pinned(LOAD_CORE):
            valkey.start()
        settings = _settings(valkey, folder)
        tokens = make_tokens(settings, buyers, folder)
        plain = stack.enter_context(_worker(settings, tokens, 0, fast_lane=False))
        lane = stack.enter_context(_worker(settings, tokens, 1, fast_lane=True))
        for worker in (plain, lane):
            worker.server.wait()
        yield Shop(settings, valkey, tokens, plain, lane)


@contextmanager
def _worker(settings: Settings, tokens: Tokens, index: int, *, fast_lane: bool) -> Iterator[Worker]:
    http = settings.http.model_copy(update={"port": free_port(), "fast_lane": fast_lane})
    env = as_environment(settings.model_copy(update={"http": http}))
    arguments = ("api-worker", "--index", str(index))
    with server("livesale", *arguments, port=http.port, env=env) as started:
        yield Worker(started, tokens, settings)


def _settings(valkey: Valkey, folder: Path) -> Settings:
    """Settings of production wherever they cost time.

    One client may send any rate. If the machine stalls, buyers wait instead of being refused,
    because we measure slow answers but not refusals.
    """
    return load_settings(
        data_dir=folder / "data",
        redis__url=valkey.url,
        redis__timeout_ms=STALL_MS,
        stock__deadline_ms=STALL_MS,
        # No proxy: the load's address counts as a client, and must never be refused.
        http__trusted_proxies=[],
        limits__address_per_s=1e6,
        limits__address_burst=1_000_000,
        log__format="json",
    )


def make_tokens(settings: Settings, buyers: int, folder: Path) -> Tokens:
    """Tokens of `count` buyers, in memory and in a file."""
    signer = TokenSigner.from_settings(settings)
    tokens = [signer.buyer(f"buyer-{number:08d}") for number in range(buyers)]
    path = folder / "tokens"
    path.write_text("\n".join(tokens))
    return Tokens(tokens, path)
