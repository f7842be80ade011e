"""A room as in production, with its own stores, and its worker on its own core.

Everything is on, as in benchmarks.shop: one API worker on the measured core; Valkey with
`appendfsync always`, the writer and the keeper, which announces drops in rooms, on the other one.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.operator import Operator
from benchmarks.processes import START_S, Server, helper, server
from livesale.settings import Settings, as_environment, load_settings
from livesale.tokens.signing import TokenSigner
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, ReserveCode
from tests.ports import free_port
from tests.servers import Valkey

UNITS = 10_000_000
NICE = 10
PACE_S = 0.02  # between the reservations that move the counter


class Hall:
    """A live room with a drop on sale; it can open more."""

    def __init__(self, settings: Settings, worker: Server, valkey: Valkey, buyers: int) -> None:
        self.settings = settings
        self.worker = worker
        self.operator = Operator(worker.url, settings)
        self.room_id = self.operator.open_room()
        self.drop_id = self.operator.draft_in(self.room_id, UNITS)
        self.operator.open_in(self.room_id, self.drop_id, 0)
        self._wait_for_keeper()
        self._valkey = valkey
        signer = TokenSigner.from_settings(settings)
        self._tokens = [signer.buyer(f"buyer-{number:08d}") for number in range(buyers)]
        self._come = 0

    def tokens(self, count: int) -> list[str]:
        """Tokens of new buyers. Raises RuntimeError if too few are left."""
        found = self._tokens[self._come : self._come + count]
        self._come += count
        if len(found) < count:
            raise RuntimeError("there are not enough buyers")
        return found

    def _wait_for_keeper(self) -> None:
        """Wait until the keeper announces the drop. Raises RuntimeError if it does not."""
        ends_s = time.monotonic() + START_S
        while self.operator.phases(self.room_id)[self.drop_id] != "open":
            if time.monotonic() > ends_s:
                raise RuntimeError("the keeper does not start")
            time.sleep(PACE_S)

    def resident_bytes(self) -> int:
        """Memory of the worker."""
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def move_counter(self, seconds: float) -> None:
        """Reserve now and then past the worker, so that it sends stock events without requests."""
        asyncio.run(self._move_counter(time.monotonic() + seconds))

    async def _move_counter(self, until_s: float) -> None:
        keyspace = Keyspace(self.settings.stock.partitions)
        redis = connect(self._valkey.url)
        try:
            engine = RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
            while time.monotonic() < until_s:
                rid = random_rid(self.drop_id)
                batch = await engine.reserve(self.drop_id, [Attempt(rid, f"quiet-{rid}")])
                assert batch.outcomes[0].code is ReserveCode.HELD  # noqa: S101  the stock is large
                await asyncio.sleep(PACE_S)
        finally:
            await redis.aclose()


@contextmanager
def open_hall(folder: Path, buyers: int, **flags: int) -> Iterator[Hall]:
    """Start a hall with these extra settings; it stops with the block."""
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.remove)
        with pinned(LOAD_CORE):
            valkey.start()
        settings = _settings(valkey, folder, flags)
        worker = stack.enter_context(
            server(
                "livesale",
                *("api-worker", "--index", "0"),
                port=settings.http.port,
                env=as_environment(settings),
            )
        )
        worker.wait()
        stack.enter_context(helper("keeper", settings))
        # Nothing waits for the writer, and in production it is on another machine.
        stack.enter_context(helper("writer", settings, nice=NICE))
        yield Hall(settings, worker, valkey, buyers)


def _settings(valkey: Valkey, folder: Path, flags: Mapping[str, int]) -> Settings:
    """Settings of production, but one address may carry all viewers and buyers."""
    return load_settings(
        data_dir=folder / "data",
        redis__url=valkey.url,
        http__port=free_port(),
        limits__address_per_s=1e6,
        limits__address_burst=1_000_000,
        log__format="json",
        **flags,
    )
