"""Checks in every process of every role that Redis still matches SQL.

The engine calls `approve` before the first script runs on an unknown server (restarted, replaced by
an older copy, promoted), and before the first one for a partition that has moved to another server;
`approve` compares the server's partitions with SQL. Servers are handled one by one: a fault of one
says nothing of the others. Once a second the watchman checks
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

from livesale.deployment.metrics import (
    PARTITION_CLOSED,
    SERVER_CHANGES,
    SERVER_PARTITIONS,
    SERVER_UP,
)
from livesale.deployment.partitions import Look, look_at
from livesale.deployment.promotion import Promotion
from livesale.deployment.scripts import ScriptLoader
from livesale.deployment.startup import check_redis
from livesale.errors import Refused
from livesale.tasks import Tasks
from stock.connection import connect
from stock.errors import FencedOff, StockError, Unreachable
from stock.hosts import has_failover
from stock.topology.router import shard_at
from stock.topology.server import Server

if TYPE_CHECKING:
    from livesale.resources import Deployment

LOOK_S = 1.0  # between two checks of the epochs
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 5.0  # between two checks of a closed partition

_STORE_FAULTS = (RedisError, SQLAlchemyError, StockError, OSError, TimeoutError)

CONNECTIONS = 2  # its own, to each server

_log = structlog.get_logger(__name__)


class _Eye:
    """What the watchman has for one server: its own connections, and the last refusal.

    Its own, because calls that wait for an approval may hold all the others.
    """

    def __init__(self, deployment: "Deployment") -> None:
        self.seen: set[str] = set()  # ids of servers that were reached since the last check began
        self.redis = connect(
            deployment.redis_url,
            connections=CONNECTIONS,
            timeout_s=deployment.settings.redis.timeout_ms / 1000,
            greet=self.seen.add,
        )
        self.lock = asyncio.Lock()
        self.refusal = ""
        self.retry_s = FIRST_RETRY_S
        self.next_s = 0.0


class Watchman:
    """One per process. `deployment.closed` says which partitions are closed here, and why."""

    def __init__(self, deployment: "Deployment") -> None:
        self._deployment = deployment
        self._settings = deployment.settings.redis
        self._engine = deployment.engine
        self._keyspace = deployment.keyspace
        self._eyes: dict[str, _Eye] = {}  # by the name of the server
        self._loader = ScriptLoader(deployment.settings, deployment.engine.redis)
        self._known = dict(deployment.engine.epochs)  # the last epoch that each partition had here
        self._shown: set[str] = set()  # servers with metrics
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
            for eye in self._eyes.values():
                await eye.redis.aclose()

    async def approve(self, server: Server, server_id: str) -> None:
        """Check a server that this process does not know, or that has got partitions, and use it
        if it is durable.

        Closes its partitions that do not match SQL. Raises FencedOff if the server must not be used
        at all, or cannot be compared because SQL is unavailable.
        """
        eye = self._eye(server)
        async with eye.lock:
            if self._engine.is_approved(server, server_id):
                return
            if time.monotonic() < eye.next_s:
                raise FencedOff(eye.refusal)
            try:
                await self._meet(eye, server, server_id)
            except Refused as refusal:
                self._refuse(eye, server, f"another Redis than before: {refusal.problem}")
            except _STORE_FAULTS as fault:
                what = getattr(fault, "orig", None) or fault or type(fault).__name__
                reason = f"another Redis than before, and it cannot be compared: {what}"
                self._refuse(eye, server, reason)
            else:
                eye.retry_s, eye.next_s = FIRST_RETRY_S, 0.0

    def _eye(self, server: Server) -> _Eye:
        eye = self._eyes.get(server.name)
        if eye is None:
            eye = self._eyes[server.name] = _Eye(self._deployment)
        return eye

    async def _meet(self, eye: _Eye, server: Server, server_id: str) -> None:
        engine = self._engine
        await eye.redis.connection_pool.disconnect()
        eye.seen.clear()
        partitions = [
            number
            for number in engine.partitions_of(server)
            if engine.server_id_of(number) != server_id
        ]
        shard = await shard_at(eye.redis, server.name)
        await check_redis(shard, self._settings.durability)
        looks = [await self._look(eye, number) for number in partitions]
        # A restart of the same server needs no new epoch.
        another = self._settings.durability == "replicated" or has_failover(
            self._deployment.redis_url
        )
        if another:
            promotion = Promotion(self._deployment, eye.redis)
            looks = [
                await promotion.settle(look, self._known[look.partition])
                if engine.server_id_of(look.partition)
                else look
                for look in looks
            ]
        if eye.seen != {server_id}:
            raise Unreachable("the server changed again while it was checked")
        _log.warning(
            "connected to another Redis server",
            server=server.name,
            server_id=server_id,
            partitions=partitions,
            before=sorted({engine.server_id_of(number) for number in partitions}),
        )
        engine.approve(server_id, partitions)
        SERVER_CHANGES.inc()
        for look in looks:
            self._take(look)

    def _refuse(self, eye: _Eye, server: Server, reason: str) -> None:
        eye.refusal = reason
        eye.next_s = time.monotonic() + eye.retry_s
        eye.retry_s = min(LONGEST_RETRY_S, 2 * eye.retry_s)
        for partition in self._engine.partitions_of(server):
            self._close(partition, reason)
        raise FencedOff(reason)

    async def _watch(self) -> float:
        """One round; seconds until the next. Raises Refused, and faults of Redis and SQL."""
        topology = self._engine.topology
        await topology.refresh()
        servers = list(topology.servers)
        for name in self._shown - {server.name for server in servers}:
            SERVER_UP.remove(name)
            SERVER_PARTITIONS.remove(name)
        self._shown = {server.name for server in servers}
        # One that hangs must not delay the checks of the others.
        for fault in await asyncio.gather(*[self._round_of(server) for server in servers]):
            if fault is not None:
                raise fault
        return LOOK_S

    async def _round_of(self, server: Server) -> Exception | None:
        """Its fault, if there is one."""
        partitions = self._engine.partitions_of(server)
        SERVER_PARTITIONS.labels(server.name).set(len(partitions))
        try:
            await self._round(server)
        except Exception as fault:
            SERVER_UP.labels(server.name).set(0)
            return fault
        closed = self._deployment.closed
        is_used = not partitions or not all(number in closed for number in partitions)
        SERVER_UP.labels(server.name).set(is_used)
        return None

    async def _round(self, server: Server) -> None:
        """Connect to a server, then check that its partitions have our epochs."""
        with contextlib.suppress(FencedOff):
            await self._engine.meet_server(server)
        eye = self._eye(server)
        if eye.next_s:
            return  # not approved, so every partition of it is closed
        with contextlib.suppress(NoPermissionError):  # without the right, the keeper loads them
            await self._loader.load(server.redis)
        for partition in self._engine.partitions_of(server):
            held = await self._engine.redis.get(self._keyspace.epoch(partition))
            if str(held) == str(self._engine.epochs.get(partition)):
                continue
            if time.monotonic() < self._looks.get(partition, 0.0):
                continue
            async with eye.lock:
                try:
                    look = await self._look(eye, partition)
                except _STORE_FAULTS:
                    self._close(partition, f"Redis has another epoch ({held!r}), and SQL is away")
                    raise
                self._take(look)

    async def _look(self, eye: _Eye, partition: int) -> Look:
        return await look_at(eye.redis, self._deployment.sql, self._keyspace, partition)

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
