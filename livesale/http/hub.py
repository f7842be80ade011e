"""All sockets of one worker: what they share, how many there are, and how they are sent away."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from livesale import metrics
from livesale.http.frames import Frames
from livesale.settings import Settings
from livesale.tasks import Tasks

if TYPE_CHECKING:
    from livesale.http.socket import Socket

STEPS_PER_S = 50  # of a drain
RETRY_MS = 1_000  # the least over which clients are spread when they come back
LAST_S = 1.0  # for what sockets asked for last
PER_SOCKET_MS = 1  # and for each of them, so that a worker meets about a thousand a second


class Hub:
    """One per worker. `services` are set once the application is put together."""

    services: Any = None

    def __init__(self, settings: Settings, frames: Frames) -> None:
        self.live = settings.live
        self.ping_s = float(settings.live.ping_s)
        self.frames = frames
        self.now: Callable[[], float] = asyncio.get_running_loop().time
        self.leave: Callable[[Any], None] = lambda _socket: None  # the server's count
        self.tasks = Tasks()  # what sockets asked for goes on when they are gone
        self._sockets: dict[Socket, None] = {}
        metrics.SOCKETS.set_function(lambda: len(self._sockets))

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: "Socket") -> None:
        self._sockets[socket] = None

    def remove(self, socket: "Socket") -> None:
        self._sockets.pop(socket, None)
        self.leave(socket)

    def note_close(self, why: str) -> None:
        metrics.SOCKETS_CLOSED.labels(why).inc()

    async def drain(self, seconds: float) -> None:
        """Send everybody away within about `seconds`, spread over them and over their return."""
        self.services.channels.release()
        sockets = list(self._sockets)
        if not sockets:
            return
        spread_ms = RETRY_MS + PER_SOCKET_MS * len(sockets)
        steps = max(1, int(seconds * STEPS_PER_S))
        size = -(-len(sockets) // steps)
        for start in range(0, len(sockets), size):
            for socket in sockets[start : start + size]:
                socket.leave("restart", random.randrange(spread_ms))
            await asyncio.sleep(1 / STEPS_PER_S)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end, cut off those who are left."""
        yield
        for socket in list(self._sockets):
            socket.cut()
        await self.tasks.close(finish_s=LAST_S)


HUB = web.AppKey("hub", Hub)
