"""Makes the figures once a second while operators watch, once for all of them.

One per worker. Without watchers it does nothing. What it costs does not depend on the number of
watchers: the figures are taken and encoded once, and each socket gets the same bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from msgspec.structs import replace

from livesale.cockpit.drops import DropBoard
from livesale.cockpit.figures import (
    AlertFigures,
    DropFigures,
    Figures,
    PartitionFigure,
    PartitionFigures,
    RequestFigures,
    SqlFigures,
    StoreFigures,
)
from livesale.cockpit.glance import Glances
from livesale.cockpit.part import Taken, wall_ms
from livesale.cockpit.requests import RequestBoard
from livesale.cockpit.rooms import rooms_of
from livesale.operations.health import Check, Health
from livesale.parts import Parts
from livesale.rooms.channel.operator_socket import OperatorSocket
from livesale.rooms.channel.socket import frame_of
from livesale.tasks import Tasks, Works
from livesale.tasks.clock import Clock
from livesale.tasks.ttl_cache import TtlCache

EVERY_S = 1.0
FRESH_S = 0.9  # how long a page that asks without a socket gets the same
_CHECKS = ("redis", "scripts", "epoch", "sql", "writer", "drain", "tasks")


class Cockpit:
    """A source of sockets, as `livesale.rooms.channel.socket` wants it, without a history."""

    room_id = ""

    def __init__(self, parts: Parts) -> None:
        self._deployment = parts.deployment
        self._clock = parts[Clock]
        self._health = parts[Health]
        self._tasks = Tasks()
        self._glances = Glances(parts.deployment)
        self.drops = DropBoard(parts.deployment, self._glances)
        self._drops = Taken(self.drops.take, DropFigures())
        self._requests = Taken(RequestBoard(self._health).take, RequestFigures())
        self._stores = Taken(self._take_stores, StoreFigures())
        self._of_sql = Taken(self._take_sql, SqlFigures())
        self._taken = TtlCache(self._take, ttl_s=FRESH_S, max_found=1)
        self._watchers: dict[OperatorSocket, None] = {}
        self._wake = asyncio.Event()

    async def figures(self) -> Figures:
        """The figures, at most a second old. Raises nothing that a store may do."""
        found = await self._taken.get("")
        assert found is not None  # noqa: S101  it always returns a result
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._tasks.keep("cockpit: tell", self._keep_telling)
        try:
            yield
        finally:
            await self._tasks.close()

    # The interface of a source.

    def join(self, socket: OperatorSocket) -> None:
        self._watchers[socket] = None
        self._wake.set()

    def part(self, socket: OperatorSocket) -> None:
        self._watchers.pop(socket, None)

    def serve(self, socket: OperatorSocket) -> None:
        """Its buffer has room again: the next message replaces what it missed."""

    async def _keep_telling(self, works: Works) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._wake.clear()
            if not self._watchers:
                works()
                await self._wake.wait()
            began_s = clock()
            await self._tell()
            works()
            await asyncio.sleep(max(0.05, EVERY_S - (clock() - began_s)))

    async def _tell(self) -> None:
        """Look who may still see it, then tell them."""
        for socket in list(self._watchers):
            await socket.check()
        frame = frame_of(msgspec.json.encode(await self.figures()))
        for socket in list(self._watchers):
            if socket.send is not None:
                socket.send(frame)

    async def _take(self, _key: str) -> Figures:
        tasks = self._tasks
        drops, requests, stores, of_sql = await asyncio.gather(
            self._drops.show(tasks),
            self._requests.show(tasks),
            self._stores.show(tasks),
            self._of_sql.show(tasks),
        )
        age = {"at_ms": of_sql.at_ms, "age_ms": of_sql.age_ms, "fault": of_sql.fault}
        return Figures(
            server_ms=self._clock.now_ms(),
            drops=drops,
            requests=requests,
            stores=stores,
            partitions=self._partitions(),
            rooms=replace(of_sql.rooms, **age),
            alerts=replace(of_sql.alerts, **age),
            work=replace(of_sql.work, **age),
        )

    async def _take_stores(self) -> StoreFigures:
        ready, signs = await asyncio.gather(self._health.ready(), self._glances.round())
        checks = {name: getattr(ready, name) for name in _CHECKS}
        if signs.unwritten and checks["writer"].ok:
            checks["writer"] = Check(False, f"nobody writes {_named(signs.unwritten)}")
        if signs.unswept is not None:
            detail = signs.unswept and f"nobody sweeps {_named(signs.unswept)}: holds do not end"
            checks["keeper"] = Check(not signs.unswept, detail or "")
        lag = ready.writer_lag
        return StoreFigures(
            status=ready.status,
            checks=checks,
            lag_entries=lag.lag_entries if lag else None,
            behind_ms=lag.behind_ms if lag else None,
        )

    def _partitions(self) -> PartitionFigures:
        epochs, closed = self._deployment.epochs, self._deployment.closed
        return PartitionFigures(
            at_ms=wall_ms(),
            age_ms=0,
            partitions=[
                PartitionFigure(number, epochs.get(number, 0), closed.get(number, ""))
                for number in range(self._deployment.keyspace.partitions)
            ],
        )

    async def _take_sql(self) -> SqlFigures:
        glance = await self._glances.last()
        return SqlFigures(
            at_ms=glance.at_ms,
            rooms=rooms_of(glance),
            alerts=AlertFigures(alerts=glance.alerts),
            work=glance.work,
        )


def _named(partitions: Sequence[int]) -> str:
    return ", ".join(f"p{number:02d}" for number in partitions)
