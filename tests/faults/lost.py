"""Rows 12, 15: Redis that lost its data, is an old copy, or was replaced by a replica.

They end with `livesale recover`, so they are not in the default schedule: weight 0.
"""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stock.connection import connect
from tests.faults.faults import Fault, insist
from tests.faults.processes import ROLES
from tests.faults.schedule import Kind
from tests.ports import free_port
from tests.servers import Valkey

NEEDS = ("valkey", "proxy", "scripts", "poison", "mariadb", *ROLES)


class Lost(Fault):
    """What they share: `repair` puts a server there that works, `recover` makes it the truth.

    What SQL does not hold when Redis is lost is lost with it, as docs/promises.md says. So that
    nothing else may be missing, the loss comes in a moment in which SQL holds all: `silence`.
    """

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        """Who writes to Redis stands still, and SQL holds the whole log."""
        pids = [await self.system.livesale.pid_of(role) for role in ROLES if role != "writer"]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await self.system.wait_until_whole()
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    async def repair(self) -> None:
        """Nothing, where the server has only lost its data."""

    async def heal(self) -> None:
        await self.repair()
        await self.system.command("recover", "--yes")


class Emptied(Lost):
    """FLUSHALL: nothing may be sold until `livesale recover`."""

    kind = Kind("Redis emptied", 12, NEEDS, 0.0, 1.0, 2.0)

    async def start(self) -> None:
        async with self.silence():
            await insist(self.system.redis.flushall)


class OldCopy(Lost):
    """Valkey comes back with the AOF of some seconds ago."""

    kind = Kind("old copy of Redis", 12, NEEDS, 0.0, 1.0, 3.0, kills=True)

    async def start(self) -> None:
        shutil.copytree(self.system.disk / "appendonlydir", self.system.folder / "old")

    async def repair(self) -> None:
        async with self.silence():
            self.system.valkey.kill()
        self.world.kills["valkey"] += 1
        shutil.rmtree(self.system.disk / "appendonlydir")
        shutil.move(self.system.folder / "old", self.system.disk / "appendonlydir")
        await self.system.restart(self.system.valkey)


class Promoted(Lost):
    """The primary dies, and a replica takes its place."""

    kind = Kind("replica promoted", 15, NEEDS, 0.0, 1.0, 2.0, kills=True)
    replica: Valkey

    async def start(self) -> None:
        port = str(free_port())
        await insist(lambda: self.system.redis.config_set("port", port))
        self.replica = Valkey("--replicaof", f"127.0.0.1 {port}")
        self.replica.environment = self.system.shim.environment
        self.replica.spawn()
        await self.system.restart(self.replica)
        await insist(self._in_sync)

    async def _in_sync(self) -> None:
        # Not WAIT: it speaks of the writes of its own connection, and this one has none.
        ahead = (await self.system.redis.info("replication"))["master_repl_offset"]
        replica = connect(self.replica.url)
        try:
            about = await replica.info("replication")
        finally:
            await replica.aclose()
        if about["master_link_status"] != "up" or about["slave_repl_offset"] < ahead:
            raise ConnectionError("the replica is not there yet")

    async def repair(self) -> None:
        self.system.valkey.kill()
        self.world.kills["valkey"] += 1
        await self.system.replace_valkey(self.replica)
        await insist(lambda: self.system.redis.replicaof("NO", "ONE"))


FAULTS: list[type[Fault]] = [Emptied, OldCopy, Promoted]
