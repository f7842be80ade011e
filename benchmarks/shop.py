"""livesale as in production, with its own stores: the system behind the figures over HTTP.

Everything is on: tokens, validation, limits, metrics, sampled log, `appendfsync always`. One API
worker with the fast lane and one without it, on the same stores, both on the measured core; Valkey
on the other one.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import uvloop
from redis import Redis

from benchmarks.audit import audit
from benchmarks.closed_loop import CONNECTIONS, Shot, Tokens, reserve
from benchmarks.engine import fill
from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from benchmarks.operator import Operator
from benchmarks.processes import Server, helper, server
from livesale.settings import Settings, as_environment, load_settings
from livesale.tokens.signing import TokenSigner
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.keyspace import Keyspace
from tests.ports import free_port
from tests.servers import Valkey

MANY = 10_000_000
STALL_MS = 30_000
KNOWN_S = 60
REWRITE_S = 60.0
KEYS_AT_ONCE = 10_000
FILL = """
for number = ARGV[1], ARGV[1] + ARGV[2] - 1 do
  redis.call('SET', 'filler:' .. number, string.rep('x', 200))
end
"""
LOOK_S = 0.05
MOST = 0.8  # of the answers; the filter takes 1 stranger in 70 to 250 for a buyer


class Worker:
    """One API worker, and the reservations that we send to it."""

    def __init__(self, server: Server, tokens: Tokens, settings: Settings) -> None:
        self._settings = settings
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
        before = self.held(drop_id)
        first = self._come.get(drop_id, 0)
        shot = reserve(self.url, drop_id, self.tokens, seconds, first, connections)
        held = self.held(drop_id) - before
        self._come[drop_id] = first + held
        # Requests in flight when the load closed are held, but the load did not count them.
        if shot.refused or not 0 <= held - shot.requests <= connections:
            raise RuntimeError(f"{held} held by {shot}")
        return shot

    def refuse(self, seconds: int, connections: int = CONNECTIONS) -> Shot:
        """Buyers reserve on a new drop with one unit, which somebody has."""
        drop_id = self.operator.open_drop(1)
        self.operator.reserve(drop_id, "first")
        return self.refuse_more(drop_id, seconds, connections)

    def refuse_more(self, drop_id: str, seconds: int, connections: int = CONNECTIONS) -> Shot:
        """The same on a drop that is sold out. Raises RuntimeError if anybody gets a unit."""
        before = self.held(drop_id)
        shot = reserve(self.url, drop_id, self.tokens, seconds, connections=connections)
        if shot.refused != shot.requests or self.held(drop_id) != before:
            raise RuntimeError(f"not every buyer was refused: {shot}")
        return shot

    def held(self, drop_id: str) -> int:
        """Units held, from Redis: the books of the API would cost the worker time that counts."""

        async def read() -> int:
            async with connected(self._settings) as engine:
                snapshot = await engine.snapshot(drop_id)
                return snapshot.held if snapshot else 0

        return uvloop.run(read())

    def refuse_until_known(self, drop_id: str) -> None:
        """Refuse buyers until the worker knows by itself who holds a unit of the drop.

        Raises RuntimeError if it asks Redis even after a minute.
        """
        for _ in range(KNOWN_S):
            before = self.operator.shortcuts()
            shot = self.refuse_more(drop_id, 1)
            if self.operator.shortcuts() - before > MOST * shot.requests:
                return
        raise RuntimeError(f"the worker asks Redis about drop {drop_id} after {KNOWN_S} s")


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

    def add_keys(self, count: int) -> None:
        """Write keys of 200 bytes, which only a rewrite reads again."""
        with Redis.from_url(self._valkey.url) as redis:
            for first in range(0, count, KEYS_AT_ONCE):
                redis.eval(FILL, 0, first, min(KEYS_AT_ONCE, count - first))

    def rewrite(self) -> None:
        """Let Valkey begin to rewrite its AOF."""
        with Redis.from_url(self._valkey.url) as redis:
            redis.bgrewriteaof()

    def check_rewrite_is_due(self, least_bytes: int) -> None:
        """Raise RuntimeError if Redis by its defaults would not rewrite now.

        They are twice the size after the last rewrite, and no less than `least_bytes`.
        """
        with Redis.from_url(self._valkey.url) as redis:
            found = redis.info("persistence")
        size, base = found["aof_current_size"], found["aof_base_size"]
        if size < max(2 * base, least_bytes):
            raise RuntimeError(f"no rewrite is due at {size:,} bytes after {base:,}")

    def wait_for_rewrite(self) -> None:
        """Wait until Valkey has rewritten. Raises RuntimeError after a minute."""
        with Redis.from_url(self._valkey.url) as redis:
            for _ in range(round(REWRITE_S / LOOK_S)):
                if not redis.info("persistence")["aof_rewrite_in_progress"]:
                    return
                time.sleep(LOOK_S)
        raise RuntimeError(f"Valkey still rewrites after {REWRITE_S:g} s")

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[RedisEngine]:
        """An engine on this shop's Valkey, without the workers."""
        async with connected(self.settings) as engine:
            yield engine

    def sell_out(self, buyers: int) -> str:
        """Sell a new drop to so many buyers, without HTTP; its id. Each worker learns who they are.

        Raises RuntimeError if not every unit is held.
        """
        drop_id = self.lane.operator.open_drop(buyers)

        async def sell() -> None:
            async with self.engine() as engine:
                await fill(engine, drop_id, buyers)

        with pinned(SERVER_CORE):
            uvloop.run(sell())
        with pinned(LOAD_CORE):
            self.lane.refuse_until_known(drop_id)
        return drop_id

    def audit(self) -> str:
        """Let the writer catch up, then check every promise. RuntimeError if one is broken."""
        with helper("writer", self.settings):
            return audit(self.settings)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[RedisEngine]:
    """An engine on the Valkey of the settings."""
    keyspace = Keyspace(settings.stock.partitions)
    redis = connect(str(settings.redis.url))
    try:
        yield RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
    finally:
        await redis.aclose()


@contextmanager
def open_shop(folder: Path, buyers: int) -> Iterator[Shop]:
    """A new shop; it stops with the block."""
    with ExitStack() as stack:
        valkey = Valkey("--auto-aof-rewrite-percentage", "0")  # as the embedded one
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
