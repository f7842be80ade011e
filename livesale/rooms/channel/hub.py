"""All sockets of one worker: shared state, limits, closing."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from livesale.notices.service import Notices
from livesale.parts import Parts
from livesale.rooms.channel.channels import Channels
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.metrics import SOCKETS, SOCKETS_CLOSED
from livesale.settings import Settings
from livesale.tasks import Tasks
from livesale.web.places import Places

STEPS_PER_S = 50  # one step of a drain
RETRY_MS = 1_000  # clients reconnect spread over at least this time
LAST_S = 1.0  # for the last calls of sockets
PER_SOCKET_MS = 1  # plus this for each socket: about a thousand reconnects a second


class Socket(Protocol):
    """A viewer's socket as the hub uses it: `livesale.rooms.channel.socket`."""

    def leave(self, why: str, retry_ms: int | None = None) -> None:
        """Close it, for a reason of livesale.rooms.channel.closes."""
        ...

    def cut(self) -> None:
        """Abort it at once."""
        ...


class Hub:
    """One per worker."""

    def __init__(self, settings: Settings, frames: Frames, parts: Parts) -> None:
        self.parts = parts
        self.live = settings.live
        self.ping_s = float(settings.live.ping_s)
        # A host is asked often enough not to be missed: `livesale.rooms.channel.hosts`.
        self.host_ping_s = min(self.ping_s, settings.live.heartbeat_ms / 3_000)
        self.frames = frames
        self.now: Callable[[], float] = asyncio.get_running_loop().time
        self._places = parts[Places]
        self.tasks = Tasks()  # calls of sockets continue after the sockets close
        self._sockets: dict[Socket, None] = {}
        SOCKETS.set_function(lambda: len(self._sockets))

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: Socket) -> None:
        self._sockets[socket] = None

    def remove(self, socket: Socket) -> None:
        self._sockets.pop(socket, None)
        self._places.leave_socket(socket)

    def note_close(self, why: str) -> None:
        SOCKETS_CLOSED.labels(why).inc()

    async def drain(self, seconds: float) -> None:
        """Close all sockets within about `seconds`, and spread their reconnects over time."""
        self.parts[Channels].release()
        self.parts[Notices].release()
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
        """At the end, abort the remaining sockets."""
        yield
        for socket in list(self._sockets):
            socket.cut()
        await self.tasks.close(finish_s=LAST_S)
