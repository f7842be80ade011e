"""Checks in every process of every role that Redis still matches SQL.

The engine calls `approve` before the first script runs on an unknown server (restarted, replaced by
an older copy, promoted); `approve` compares the server with SQL. Once a second the watchman checks
that each partition still has its epoch, so processes that do not write notice an emptied Redis,
too. It also loads scripts that Redis lost.

A partition that does not match SQL is closed in this process: its epoch becomes 0, and every script
answers FENCED. The watchman keeps checking it, so a recovered partition opens by itself, under its
new epoch.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import NoPermissionError, RedisError
from sqlalchemy.exc import SQLAlchemyError

from livesale.deployment.metrics import PARTITION_CLOSED
from livesale.deployment.partitions import Look, look_at
from livesale.deployment.promotion import Promotion
from livesale.deployment.scripts import ScriptLoader
from livesale.deployment.startup import check_redis
from livesale.errors import Refused
from livesale.tasks import Tasks
from stock.connection import SENTINEL, connect
from stock.errors import FencedOff, StockError, Unreachable

if TYPE_CHECKING:
    from livesale.resources import Deployment

LOOK_S = 1.0  # between two checks of the epochs
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 5.0  # between two checks of a closed partition

_STORE_FAULTS = (RedisError, SQLAlchemyError, StockError, OSError, TimeoutError)

CONNECTIONS = 2  # its own

_log = structlog.get_logger(__name__)


class Watchman:
    """One per process. `deployment.closed` says which partitions are closed here, and why."""

    def __init__(self, deployment: "Deployment") -> None:
        self._deployment = deployment
        self._settings = deployment.settings.redis
        self._engine = deployment.engine
        self._keyspace = deployment.keyspace
        self._seen: set[str] = set()
        # Its own connections: calls that wait for an approval may hold all the others.
        self._redis = connect(
            deployment.redis_url,
            connections=CONNECTIONS,
            timeout_s=self._settings.timeout_ms / 1000,
            greet=self._seen.add,
        )
        self._loader = ScriptLoader(deployment.settings, deployment.engine.redis)
        self._lock = asyncio.Lock()
        self._known = dict(deployment.engine.epochs)  # the last epoch that each partition had here
        self._refusal = ""
        self._retry_s = FIRST_RETRY_S
        self._next_s = 0.0
        self._looks: dict[int, float] = {}  # closed partitions: time of the next check

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch while the block runs."""
        for partition in range(self._keyspace.partitions):
            PARTITION_CLOSED.labels(partition).set(0)
        self._engine.on_other_server = self.approve
        try:
            async with Tasks() as tasks:
                tasks.repeat("watchman", self._watch, after_s=LOOK_S, longest_s=LOOK_S)
                yield
        finally:
            self._engine.on_other_server = None
            await self._redis.aclose()

    async def approve(self, server_id: str) -> None:
        """Check a server that this process does not know, and use it if it is durable.

        Closes its partitions that do not match SQL. Raises FencedOff if the server must not be used
        at all, or cannot be compared because SQL is unavailable.
        """
        async with self._lock:
            if self._engine.server_id == server_id:
                return
            if time.monotonic() < self._next_s:
                raise FencedOff(self._refusal)
            try:
                await self._meet(server_id)
            except Refused as refusal:
                self._refuse(f"another Redis than before: {refusal.problem}")
            except _STORE_FAULTS as fault:
                what = getattr(fault, "orig", None) or fault or type(fault).__name__
                self._refuse(f"another Redis than before, and it cannot be compared: {what}")
            else:
                self._retry_s, self._next_s = FIRST_RETRY_S, 0.0

    async def _meet(self, server_id: str) -> None:
        await self._redis.connection_pool.disconnect()
        self._seen.clear()
        await check_redis(self._redis, self._settings.durability)
        looks = [await self._look(number) for number in range(self._keyspace.partitions)]
        # A restart of the same server needs no new epoch.
        another = self._engine.server_id and (
            self._settings.durability == "replicated" or self._settings.url.startswith(SENTINEL)
        )
        if another:
            promotion = Promotion(self._deployment, self._redis)
            looks = [await promotion.settle(look, self._known[look.partition]) for look in looks]
        if self._seen != {server_id}:
            raise Unreachable("the server changed again while it was checked")
        _log.warning(
            "connected to another Redis server", server_id=server_id, before=self._engine.server_id
        )
        self._engine.server_id = server_id
        for look in looks:
            self._take(look)

    def _refuse(self, reason: str) -> None:
        self._refusal = reason
        self._next_s = time.monotonic() + self._retry_s
        self._retry_s = min(LONGEST_RETRY_S, 2 * self._retry_s)
        for partition in range(self._keyspace.partitions):
            self._close(partition, reason)
        raise FencedOff(reason)

    async def _watch(self) -> float:
        """One round; seconds until the next. Raises Refused, and faults of Redis and SQL."""
        await self._round()
        return LOOK_S

    async def _round(self) -> None:
        """Connect to the present server, then check that the partitions have our epochs."""
        with contextlib.suppress(FencedOff):
            await self._engine.meet_server()
        if not self._engine.server_id or self._next_s:
            return  # not approved, so every partition is closed
        with contextlib.suppress(NoPermissionError):  # without the right, the keeper loads them
            await self._loader.load()
        for partition in range(self._keyspace.partitions):
            held = await self._engine.redis.get(self._keyspace.epoch(partition))
            if str(held) == str(self._engine.epochs.get(partition)):
                continue
            if time.monotonic() < self._looks.get(partition, 0.0):
                continue
            async with self._lock:
                try:
                    look = await self._look(partition)
                except _STORE_FAULTS:
                    self._close(partition, f"Redis has another epoch ({held!r}), and SQL is away")
                    raise
                self._take(look)

    async def _look(self, partition: int) -> Look:
        return await look_at(self._redis, self._deployment.sql, self._keyspace, partition)

    def _take(self, look: Look) -> None:
        """Open or close a partition here, by the result of its check."""
        if look.refusal is None:
            self._open(look.partition, look.epoch)
        else:
            self._close(look.partition, look.refusal.problem)
            self._looks[look.partition] = time.monotonic() + LONGEST_RETRY_S / 5

    def _open(self, partition: int, epoch: int) -> None:
        before = self._engine.epochs.get(partition)
        self._engine.epochs[partition] = self._known[partition] = epoch
        self._looks.pop(partition, None)
        reason = self._deployment.closed.pop(partition, None)
        PARTITION_CLOSED.labels(partition).set(0)
        if reason is not None or before != epoch:
            _log.warning("a partition is open", partition=partition, epoch=epoch, was=reason)

    def _close(self, partition: int, reason: str) -> None:
        self._engine.epochs[partition] = 0
        before = self._deployment.closed.get(partition)
        self._deployment.closed[partition] = reason
        PARTITION_CLOSED.labels(partition).set(1)
        if before != reason:
            _log.critical("a partition is closed", partition=partition, reason=reason)
