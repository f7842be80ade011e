"""A proxy that can lose, delay or cut what goes through it, and end connections that are idle."""

import asyncio
import random
import socket
import struct
from enum import StrEnum
from pathlib import Path
from typing import cast

LOOK_S = 0.1  # between two looks at idle connections
_NO_LINGER = struct.pack("ii", 1, 0)  # close() sends a reset

Address = Path | int  # a unix socket, or a port of 127.0.0.1


class Ending(StrEnum):
    """How an idle connection ends. One that is forgotten stays open, and all packets vanish."""

    CLOSE = "close"
    RESET = "reset"
    FORGET = "forget"


class Proxy:
    """Stands between the service and a store. `upstream` may change: new connections go there.

    Each address is the path of a unix socket or a port of 127.0.0.1; resets need a port.
    With `idle_s` a connection that carried nothing for so long ends by `ending`.

    `lose` is the chance that a reply is swallowed, together with all that follows it on that
    connection; `cut` the chance that the connection is closed in place of a reply; `delay_s` is how
    long each reply is kept. Requests always arrive: what is lost is the answer.
    """

    def __init__(
        self,
        address: Address,
        upstream: Address,
        seed: int = 0,
        *,
        idle_s: float | None = None,
        ending: Ending = Ending.CLOSE,
    ) -> None:
        self.address = address
        self.upstream = upstream
        self.idle_s = idle_s
        self.ending = ending
        self.ended = 0  # idle connections
        self.opened = 0  # connections in all
        self.lose = 0.0
        self.cut = 0.0
        self.delay_s = 0.0
        self.lost = 0
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ways: set[_Way] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(self.address, Path):
            self._server = await loop.create_unix_server(lambda: _Front(self), str(self.address))
        else:
            self._server = await loop.create_server(lambda: _Front(self), "127.0.0.1", self.address)
        self._looking = loop.create_task(self._end_idle())

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._looking is not None:
            self._looking.cancel()
        self.cut_all()
        await asyncio.sleep(0)

    def cut_all(self) -> None:
        """Close every connection, as a cable that is pulled."""
        for way in list(self._ways):
            way.close()

    def end_all(self, ending: Ending) -> None:
        """End every connection as if it had been idle for too long."""
        for way in list(self._ways):
            way.end(ending)

    async def _end_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            for way in list(self._ways):
                if self.idle_s is not None and loop.time() - way.used_s > self.idle_s:
                    way.end(self.ending)

    def heal(self) -> None:
        self.lose = self.cut = self.delay_s = 0.0
        for way in list(self._ways):
            if way.mute:  # its client waits for a reply that never comes
                way.close()

    def add(self, way: "_Way") -> None:
        self._ways.add(way)
        self.opened += 1

    def remove(self, way: "_Way") -> None:
        self._ways.discard(way)

    def fate(self) -> str:
        """What becomes of one reply: "lose", "cut" or nothing."""
        if self.lose and self._chance.random() < self.lose:
            self.lost += 1
            return "lose"
        if self.cut and self._chance.random() < self.cut:
            self.lost += 1
            return "cut"
        return ""


class _Way:
    """One connection through the proxy: the transports of both ends."""

    def __init__(self, proxy: Proxy, front: asyncio.Transport) -> None:
        self.proxy = proxy
        self.front = front
        self.back: asyncio.Transport | None = None
        self.mute = False
        self.forgotten = False
        self.used_s = asyncio.get_running_loop().time()
        self._last_at = 0.0  # when the last delayed reply goes on
        self._early = bytearray()  # sent before the other end was connected
        proxy.add(self)

    def ask(self, data: bytes) -> None:
        if self.forgotten:
            return
        self.used_s = asyncio.get_running_loop().time()
        if self.back is None:
            self._early += data
        elif not self.back.is_closing():
            self.back.write(data)

    def connected(self, back: asyncio.Transport) -> None:
        self.back = back
        if self.front.is_closing():
            back.close()
        elif self._early:
            back.write(bytes(self._early))

    def reply(self, data: bytes) -> None:
        proxy = self.proxy
        fate = proxy.fate()
        if fate == "cut":
            self.close()
            return
        self.mute = self.mute or fate == "lose"
        if self.mute or self.front.is_closing():
            return
        loop = asyncio.get_running_loop()
        self.used_s = loop.time()
        if proxy.delay_s or self._last_at > loop.time():
            # Never before the reply in front of it: the order is all that a client has.
            self._last_at = max(self._last_at + 1e-6, loop.time() + proxy.delay_s)
            loop.call_at(self._last_at, self._hand_over, data)
        else:
            self.front.write(data)

    def end(self, ending: Ending) -> None:
        if self.forgotten:
            return
        self.proxy.ended += 1
        if ending is Ending.FORGET:
            self.forgotten = self.mute = True
            return
        if ending is Ending.RESET:
            end = self.front.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close()

    def close(self) -> None:
        self.proxy.remove(self)
        self.front.abort()
        if self.back is not None:
            self.back.abort()

    def _hand_over(self, data: bytes) -> None:
        if not self.front.is_closing():
            self.front.write(data)


class _Front(asyncio.Protocol):
    """The end towards the service."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._way: _Way | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._way = _Way(self._proxy, cast(asyncio.Transport, transport))
        self._task = asyncio.get_running_loop().create_task(self._connect(self._way))

    def data_received(self, data: bytes) -> None:
        assert self._way is not None
        self._way.ask(data)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._way is not None
        self._way.close()

    async def _connect(self, way: _Way) -> None:
        loop = asyncio.get_running_loop()
        try:
            upstream = self._proxy.upstream
            if isinstance(upstream, Path):
                await loop.create_unix_connection(lambda: _Back(way), str(upstream))
            else:
                await loop.create_connection(lambda: _Back(way), "127.0.0.1", upstream)
        except OSError:
            way.close()


class _Back(asyncio.Protocol):
    """The end towards Redis."""

    def __init__(self, way: _Way) -> None:
        self._way = way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._way.connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        self._way.reply(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._way.close()
