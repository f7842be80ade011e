"""What a gong brings: a route, a table, a problem, a room event, a frame, a job and a metric."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Column, Integer, MetaData, String, func, insert, select
from sqlalchemy import Table as SqlTable

from livesale.database.session import session
from livesale.feature import Feature
from livesale.parts import Parts
from livesale.resources import Deployment
from livesale.rooms.channel.frames import ClientFrame, Viewer
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import Event
from livesale.tasks import Tasks
from livesale.validation.refusals import SalesFault
from livesale.web.problems import declare
from livesale.web.routes import Answer, Call, Route

MOST = 3
metadata = MetaData()  # not the service's own: its migrations do not know this table
gongs = SqlTable(
    "gongs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("room_id", String(15), nullable=False),
)
PROBLEMS = declare(gong_tired=(409, "The gong needs a rest", "Stop."))


class Gonging(Struct, frozen=True):
    times: int


class GongStruck(Event, frozen=True, kw_only=True, tag="gong.struck"):
    """Somebody struck the gong."""

    gong: Gonging


class Strokes(Struct, frozen=True, forbid_unknown_fields=True):
    times: Annotated[int, Meta(ge=1, le=10)]


class GongFrame(ClientFrame, frozen=True, kw_only=True, tag="gong"):
    """Strike the gong once."""


class Gong:
    """One per process."""

    def __init__(self, deployment: Deployment, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._copy = copy

    async def strike(self, room_id: str, times: int) -> None:
        """Raises SalesFault (gong_tired) or Unknown."""
        if times > MOST:
            raise SalesFault("gong_tired", f"At most {MOST} times.")
        async with session(self._sql, write=True) as connection:
            await connection.execute(insert(gongs), [{"room_id": room_id}])
        event = GongStruck(gong=Gonging(times))
        await self._copy.with_room(
            room_id, lambda: self._copy.gateway.append(room_id, event), lambda place: place is None
        )


class GongMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.struck = Gauge("livesale_gongs", "Strokes so far", registry=registry)


class GongCounter:
    """The job: counts what was struck."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry) -> None:
        self._sql = deployment.sql
        self._metrics = GongMetrics(registry)

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("gongs", self._count)

    async def _count(self) -> float:
        async with session(self._sql) as connection:
            count = await connection.scalar(select(func.count()).select_from(gongs))
        self._metrics.struck.set(count or 0)
        return 0.05


async def strike_gong(parts: Parts, call: Call) -> Answer:
    await parts[Gong].strike(call.path["room_id"], call.body.times)
    return Answer(202, call.body)


async def on_gong(parts: Parts, viewer: Viewer, _frame: GongFrame) -> None:
    await parts[Gong].strike(viewer.room_id, 1)


feature = Feature(
    name="gong",
    routes=(
        Route(
            "POST",
            "/v1/rooms/{room_id}/gong",
            strike_gong,
            "Strike the gong",
            "rooms",
            {202: Strokes},
            ("unknown_room", "gong_tired"),
            auth="buyer",
            body=Strokes,
        ),
    ),
    problems=PROBLEMS,
    parts={Gong: lambda parts: Gong(parts.deployment, parts[RoomCopy])},
    tables=(gongs,),
    events=(GongStruck,),
    frames={GongFrame: on_gong},
    jobs={"gong": GongCounter},
    metrics=(GongMetrics,),
)
