"""Rows 5, 6: scripts that find a key of the wrong type, no memory, or a busy server; NOSCRIPT."""

import asyncio

from redis.exceptions import ResponseError

from tests.faults.faults import Fault, attempt, insist
from tests.faults.schedule import Kind
from tests.faults.system import PARTITIONS

LOOP = "local n = 0 for i = 1, tonumber(ARGV[1]) do n = n + i % 7 end return n"


class WrongType(Fault):
    """The due list, which every script needs, is of another type for a while.

    Not the log: a sweep that finds a drop's own keys spoilt passes the drop by for a minute.
    """

    kind = Kind("wrong type", 5, ("valkey",), 0.8, 0.3, 2.0)
    key = ""

    async def start(self) -> None:
        partition = int(self.strike.chance * 1_000) % PARTITIONS
        self.key = self.system.keyspace.due(partition)
        await attempt(self._swap)

    async def _swap(self) -> None:
        async with self.system.redis.pipeline(transaction=True) as pipe:
            pipe.rename(self.key, f"{self.key}:aside")
            pipe.set(self.key, "not what it should be")
            try:
                await pipe.execute()
            except ResponseError:  # there is no such key yet: then the SET is to be undone
                await insist(lambda: self.system.redis.delete(self.key))

    async def heal(self) -> None:
        await insist(self._swap_back)

    async def _swap_back(self) -> None:
        if await self.system.redis.exists(f"{self.key}:aside"):
            await self.system.redis.rename(f"{self.key}:aside", self.key)


class OutOfMemory(Fault):
    """`maxmemory` below what is used: scripts that write are refused before they begin."""

    kind = Kind("out of memory", 5, ("valkey",), 0.8, 0.3, 2.0)

    async def start(self) -> None:
        await attempt(lambda: self.system.redis.config_set("maxmemory", "1mb"))

    async def heal(self) -> None:
        await insist(lambda: self.system.redis.config_set("maxmemory", "0"))


class BusyScript(Fault):
    """A script of somebody else that runs for a second or so; then the others hear BUSY."""

    kind = Kind("busy script", 5, ("valkey",), 0.8, 0.5, 2.0)
    task: "asyncio.Task[object] | None" = None

    async def start(self) -> None:
        count = int(self.between(2e7, 1e8))
        self.task = asyncio.create_task(self._loop(count))

    async def _loop(self, count: int) -> None:
        await attempt(lambda: self.system.redis.eval(LOOP, 0, str(count)))

    async def heal(self) -> None:
        assert self.task is not None
        await self.task
        await insist(self.system.redis.ping)


class ScriptFlush(Fault):
    """SCRIPT FLUSH again and again under load."""

    kind = Kind("script flush", 6, ("scripts",), 1.0, 0.5, 2.0)
    task: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        while True:
            await attempt(self.system.redis.script_flush)
            await asyncio.sleep(self.between(0.01, 0.2))

    async def heal(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


FAULTS: list[type[Fault]] = [WrongType, OutOfMemory, BusyScript, ScriptFlush]
