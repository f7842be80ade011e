"""The faults: each knows how to begin, and how to make whole again what it broke.

The rows are those of the fault matrix; docs/promises.md names them. `heal` may be called while the
part is still being restarted by others, and leaves it working.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, TypeVar

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from tests.faults.schedule import Kind, Strike
from tests.faults.system import PATIENCE_S, FaultySystem
from tests.faults.world import World

T = TypeVar("T")


class Missed(Exception):
    """What was to break is not there: it is down for another reason."""


class Fault:
    """One fault of one strike."""

    kind: ClassVar[Kind]

    def __init__(self, system: FaultySystem, world: World, strike: Strike) -> None:
        self.system = system
        self.world = world
        self.strike = strike

    async def start(self) -> None:
        """Break it. Raises Missed."""
        raise NotImplementedError

    async def heal(self) -> None:
        raise NotImplementedError

    def pick(self, *choices: T) -> T:
        """One of them, as the strike decides."""
        return choices[int(self.strike.chance * len(choices)) % len(choices)]

    def between(self, low: float, high: float) -> float:
        """A number, as the strike decides."""
        return low + self.strike.chance * (high - low)


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """Do something to a server that may just be down, until it is done."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await act()
            except (RedisError, SQLAlchemyError, OSError):
                await asyncio.sleep(0.05)


async def attempt(act: Callable[[], Awaitable[T]]) -> T | None:
    """Do something to a server that may just be down, if it can be done."""
    with contextlib.suppress(RedisError, SQLAlchemyError, OSError, TimeoutError):
        return await act()
    return None


def all_faults() -> Mapping[str, type[Fault]]:
    """Every kind by name. Those that need `livesale recover` are not in the default schedule."""
    from tests.faults import clients, clock, disk, lost, poison, processes, scripts, sql

    rooms = (processes, disk, scripts, clients, sql, poison, clock, lost)
    return {fault.kind.name: fault for room in rooms for fault in room.FAULTS}


def default_kinds() -> list[Kind]:
    """What the schedule draws from."""
    return [fault.kind for fault in all_faults().values() if fault.kind.weight > 0]
