"""The host's socket is a heartbeat: a host who is heard there keeps the room live.

What counts is what came from the host, not that a socket is open: a half-open one is silent, and so
is one of a worker that died. A browser answers pings also for a tab in the background, where the
timers of the page stand still. So sockets of hosts are pinged more often than others, and a host is
missed as soon as one whose page sends heartbeats. Only Redis is asked here: no room ends because
SQL hangs. An abnormal room comes back with the keeper's next look.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from livesale.errors import LivesaleError
from livesale.resources import Deployment
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.members import RoomRole
from livesale.tasks import Tasks
from livesale.tokens.errors import TokenExpired
from livesale.tokens.signing import Buyer, Operator, TokenSigner
from livesale.validation.refusals import Unknown
from stock.errors import StockError

MAX_STEP_S = 1.0  # between two looks at the sockets
CHECK_S = 1.0  # between two looks whether operators may still host
STEPS = 4  # looks within the time after which a silent host is missed

log = structlog.get_logger(__name__)


class HostSocket(Protocol):
    """A socket as it is seen here: `livesale.rooms.channel.socket`."""

    room_id: str
    caller: Buyer | Operator | None
    role: RoomRole

    @property
    def heard_s(self) -> float:
        """Loop time of the last byte from the client."""
        ...

    @property
    def is_open(self) -> bool: ...


class OperatorHost(HostSocket, Protocol):
    """The socket of an operator who hosts."""

    async def check(self) -> None:
        """Close it if its session has ended, or its role may no longer host."""
        ...


class HostSockets:
    """One per worker, inside `running`."""

    def __init__(
        self, deployment: Deployment, lifecycle: RoomLifecycle, signer: TokenSigner
    ) -> None:
        self._lifecycle = lifecycle
        self._signer = signer
        self._step_s = min(MAX_STEP_S, deployment.settings.live.heartbeat_ms / 1000 / STEPS)
        # When each host was last heard, as of its last heartbeat.
        self._beaten: dict[HostSocket, float] = {}
        self._operators: dict[OperatorHost, None] = {}
        self._tasks = Tasks()

    def welcome(self, socket: HostSocket) -> None:
        """Somebody has come with a token: a host's coming is a heartbeat."""
        if socket.role is RoomRole.HOST:
            self._beaten[socket] = float("-inf")

    def welcome_operator(self, socket: OperatorHost) -> None:
        """An operator hosts."""
        self._operators[socket] = None
        self.welcome(socket)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._tasks.repeat("rooms: hosts", self._look)
        # By itself: this one asks SQL, and no heartbeat waits for SQL.
        self._tasks.repeat("rooms: operators", self._check)
        try:
            yield
        finally:
            await self._tasks.close()

    async def _look(self) -> float:
        await self.look()
        return self._step_s

    async def _check(self) -> float:
        for socket in list(self._operators):
            if socket.is_open:
                await socket.check()
            else:
                del self._operators[socket]
        return CHECK_S

    async def look(self) -> None:
        """One heartbeat for each room whose host was heard since the last one."""
        due: dict[str, list[HostSocket]] = {}
        for socket, beaten_s in list(self._beaten.items()):
            if not socket.is_open or not self._is_valid(socket):
                del self._beaten[socket]
            elif socket.heard_s > beaten_s:
                due.setdefault(socket.room_id, []).append(socket)
        await asyncio.gather(*(self._beat(*pair) for pair in due.items()))

    def _is_valid(self, socket: HostSocket) -> bool:
        """Whether the token still counts: a socket may stay open after its end."""
        if socket.caller is None:
            return False
        try:
            self._signer.check_time(socket.caller)
        except TokenExpired:
            return False
        return True

    async def _beat(self, room_id: str, sockets: list[HostSocket]) -> None:
        heard_s = [socket.heard_s for socket in sockets]
        try:
            await self._lifecycle.hear(room_id)
        except Unknown:  # it was deleted
            pass
        except (StockError, LivesaleError) as fault:
            log.debug("a heartbeat waits for the stores", room_id=room_id, reason=str(fault))
            return
        for socket, at_s in zip(sockets, heard_s, strict=True):
            if socket in self._beaten:
                self._beaten[socket] = at_s
