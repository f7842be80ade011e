"""Row 13: clocks that step."""

import time

from tests.faults.faults import Fault
from tests.faults.history import Blind
from tests.faults.schedule import Kind
from tests.faults.shim import Shim


class RedisClock(Fault):
    """Valkey's clock is ahead or behind for a while."""

    kind = Kind("clock of Valkey", 13, ("valkey",), 0.5, 0.5, 2.0)
    offset_s = 0.0
    from_ms = 0.0

    async def start(self) -> None:
        self.offset_s = self.between(-2.0, 2.0)
        self.from_ms = time.time() * 1000
        self.system.shim.set("clock_offset_us", int(self.offset_s * 1e6))

    async def heal(self) -> None:
        self.system.shim.set("clock_offset_us", 0)
        step_ms = abs(self.offset_s) * 1000 + 100
        self.world.history.blind.append(Blind(self.from_ms - step_ms, time.time() * 1000 + step_ms))


class WorkerClock(Fault):
    """One more API worker on the same port, whose clock is up to an hour off."""

    kind = Kind("clock of an API worker", 13, ("third worker",), 0.5, 4.0, 10.0)

    async def start(self) -> None:
        shim = Shim(self.system.folder, "api-7", self.system.shim_library)
        shim.set("clock_offset_us", int(self.between(-3600, 3600) * 1e6))
        self.system.spawn_extra("api-7", "api-worker", "--index", "7", shim=shim)

    async def heal(self) -> None:
        await self.system.end_extra("api-7", kill=True)
        self.world.kills["third worker"] += 1


FAULTS: list[type[Fault]] = [RedisClock, WorkerClock]
