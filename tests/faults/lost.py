"""Rows 12, 15: Redis that lost its data, is an old copy, or was replaced by a replica.

They end with `livesale recover`, so they are not in the default schedule: weight 0.
"""

import shutil

from tests.faults.faults import Fault, insist
from tests.faults.schedule import Kind


class Emptied(Fault):
    """FLUSHALL: nothing may be sold until `livesale recover`."""

    kind = Kind("Redis emptied", 12, ("valkey", "writer", "keeper"), 0.0, 1.0, 2.0)

    async def start(self) -> None:
        await insist(self.system.redis.flushall)

    async def heal(self) -> None:
        await self.system.command("recover", "--yes")


class OldCopy(Fault):
    """Valkey comes back with the AOF of some seconds ago."""

    kind = Kind("old copy of Redis", 12, ("valkey", "writer", "keeper"), 0.0, 1.0, 3.0)

    async def start(self) -> None:
        disk = self.system.disk
        shutil.copytree(disk / "appendonlydir", self.system.folder / "old")

    async def heal(self) -> None:
        self.system.valkey.kill()
        self.world.kills["valkey"] += 1
        shutil.rmtree(self.system.disk / "appendonlydir")
        shutil.move(self.system.folder / "old", self.system.disk / "appendonlydir")
        await self.system.restart(self.system.valkey)
        await self.system.command("recover", "--yes")


FAULTS: list[type[Fault]] = [Emptied, OldCopy]
