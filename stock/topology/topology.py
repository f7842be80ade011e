"""The port for topologies, and the one of a single server.

A place is a number that every key has: its slot in a cluster, its group, or 0.

What a refusal proves, for every command:

| Redis says | means | then |
|---|---|---|
| MOVED | nothing ran: another primary has the slot | note where, send again, once |
| ASK, TRYAGAIN | nothing ran: the slot is being moved | wait until it has arrived, for SETTLE_S |
| CLUSTERDOWN | nothing ran: this node lacks the majority | ask who has the slot; not sent |
| no connection | nothing was sent | ask who has the slot; not sent unless it is another |
| a broken connection | unknown | never sent again here |
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from stock.topology.server import Server

# Nothing ran. MovedError is an AskError.
ELSEWHERE = (AskError, TryAgainError, ClusterDownError)

SETTLE_S = 1.0  # how long a call waits for a slot that is being moved
LOOK_AGAIN_S = 0.02


class Topology(Protocol):
    """Raises redis.exceptions.RedisError where it must ask."""

    @property
    def servers(self) -> Sequence[Server]:
        """All primaries that are known now."""
        ...

    def place_of(self, key: str) -> int: ...

    def server(self, place: int) -> Server | None:
        """The primary of a place; None if it must be asked for."""
        ...

    async def locate(self, place: int) -> Server:
        """The same, asked for if need be. Raises redis.exceptions.ConnectionError if none has
        it."""
        ...

    async def instead(self, server: Server, place: int) -> Server | None:
        """The primary of a place after `server` was not reached, if it is another."""
        ...

    async def note_moved(self, moved: MovedError) -> None: ...

    def doubt(self) -> None:
        """Ask again before the next call: a primary was not reached."""
        ...

    async def refresh(self) -> None: ...

    async def close(self) -> None: ...


class Single:
    """One server has everything."""

    def __init__(self, redis: "Redis", *, keeps: bool = True) -> None:
        self._only = Server("", redis, keeps=keeps)
        self.servers: Sequence[Server] = (self._only,)

    def place_of(self, key: str) -> int:
        return 0

    def server(self, place: int) -> Server | None:
        return self._only

    async def locate(self, place: int) -> Server:
        return self._only

    async def instead(self, server: Server, place: int) -> Server | None:
        return None

    async def note_moved(self, moved: MovedError) -> None:
        raise moved  # this server is a node of a cluster, and it was not addressed as one

    def doubt(self) -> None:
        pass

    async def refresh(self) -> None:
        pass

    async def close(self) -> None:
        await self._only.close()


class Detour:
    """The way of one call around refusals that prove that nothing ran."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._was_moved = False
        self._until_s: float | None = None

    async def take(self, refusal: ResponseError) -> None:
        """Prepare the next attempt. Raises the refusal if there must be none, and RedisError."""
        if isinstance(refusal, MovedError):
            if self._was_moved:
                raise refusal
            self._was_moved = True
            await self._topology.note_moved(refusal)
            return
        if isinstance(refusal, ClusterDownError):
            await self._topology.refresh()
            raise refusal
        now_s = asyncio.get_running_loop().time()
        if self._until_s is None:
            self._until_s = now_s + SETTLE_S
        if now_s >= self._until_s:
            raise refusal
        await asyncio.sleep(LOOK_AGAIN_S)
        await self._topology.refresh()
