"""Rows 1, 7, 11: processes that are killed, stand still, or are there twice."""

import asyncio
import contextlib
import os
import signal

from tests.faults.faults import Fault, Missed
from tests.faults.schedule import Kind
from tests.servers import Server

ROLES = ("api-0", "api-1", "writer", "keeper")
FIND_S = 20.0  # a process that another fault killed is back by then


class RoleKilled(Fault):
    """SIGKILL of a process of livesale; the supervisor starts it again."""

    role: str

    async def start(self) -> None:
        os.kill(await self.find(), signal.SIGKILL)
        self.world.kills[self.role] += 1

    async def find(self) -> int:
        """The pid of the process. Raises Missed: it is not back since another fault."""
        try:
            async with asyncio.timeout(FIND_S):
                return await self.system.livesale.pid_of(self.role)
        except TimeoutError:
            raise Missed from None

    async def heal(self) -> None:
        """The supervisor's business. That it is done is seen when the round is over."""


class RoleStopped(RoleKilled):
    """SIGSTOP: alive, connected, and silent."""

    pid = 0

    async def start(self) -> None:
        self.pid = await self.find()
        os.kill(self.pid, signal.SIGSTOP)

    async def heal(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


class ServerKilled(Fault):
    """SIGKILL of a store; whoever runs it starts it again."""

    name: str

    @property
    def server(self) -> Server:
        return self.system.valkey if self.name == "valkey" else self.system.mariadb

    async def start(self) -> None:
        self.server.kill()
        self.world.kills[self.name] += 1

    async def heal(self) -> None:
        await self.system.restart(self.server)


class ServerStopped(ServerKilled):
    async def start(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)

    async def heal(self) -> None:
        os.kill(self.server.pid, signal.SIGCONT)


class SecondWriter(Fault):
    """One more writer; it stands by, or takes over while the first is down."""

    kind = Kind("second writer", 11, ("second writer",), 0.6, 3.0, 10.0)
    role = "writer"

    async def start(self) -> None:
        self.system.spawn_extra(self.role, self.role)

    async def heal(self) -> None:
        kill = self.pick(True, False)
        self.world.kills[f"second {self.role}"] += kill
        await self.system.end_extra(self.role, kill=kill)


class SecondKeeper(SecondWriter):
    """One more keeper; both sweep."""

    kind = Kind("second keeper", 11, ("second keeper",), 0.6, 3.0, 10.0)
    role = "keeper"


def _of_role(role: str) -> list[type[Fault]]:
    killed = Kind(f"kill {role}", 1, (role,), 1.6, 0.1, 0.5, kills=True)
    stopped = Kind(f"stop {role}", 7, (role,), 0.6, 1.0, 10.0)
    return [
        type(f"Killed{role}", (RoleKilled,), {"kind": killed, "role": role}),
        type(f"Stopped{role}", (RoleStopped,), {"kind": stopped, "role": role}),
    ]


def _of_server(name: str, row: int) -> list[type[Fault]]:
    killed = Kind(f"kill {name}", row, (name,), 2.0, 0.1, 1.5, kills=True)
    stopped = Kind(f"stop {name}", 7 if name == "valkey" else 9, (name,), 0.8, 1.0, 6.0)
    return [
        type(f"Killed{name}", (ServerKilled,), {"kind": killed, "name": name}),
        type(f"Stopped{name}", (ServerStopped,), {"kind": stopped, "name": name}),
    ]


FAULTS: list[type[Fault]] = [
    *[fault for role in ROLES for fault in _of_role(role)],
    *_of_server("valkey", 1),
    *_of_server("mariadb", 9),
    SecondWriter,
    SecondKeeper,
]
