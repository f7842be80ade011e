"""The transport of a viewer's socket: an event loop, or a blocking thread."""

import asyncio
import ssl
import time
from typing import Protocol

import msgspec

from loadtests import frames
from loadtests.seat import Gone, Message, Seat
from loadtests.target import Target, connect

OPEN_S = 10.0
READ_BYTES = 65_536


class Wire(Protocol):
    """One connection of a seat. All methods but `cut` raise Gone."""

    async def receive(self, seconds: float) -> list[Message]:
        """The messages that arrived; empty after the timeout."""
        ...

    async def send(self, frame: object) -> None: ...

    def cut(self) -> None:
        """Close without a close frame, like a phone that loses its network."""
        ...


class LoopWire:
    """On the event loop. Get one from `dial`."""

    def __init__(
        self, seat: Seat, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._seat, self._reader, self._writer = seat, reader, writer
        self._ready: list[Message] = []

    @classmethod
    async def dial(cls, target: Target, seat: Seat, token: str) -> "LoopWire":
        """Raises Gone if refused."""
        tls = ssl.create_default_context() if target.scheme == "https" else None
        wire = None
        try:
            async with asyncio.timeout(OPEN_S):
                reader, writer = await asyncio.open_connection(target.host, target.port, ssl=tls)
                wire = cls(seat, reader, writer)
                writer.write(seat.connect(target.authority, token))
                while not seat.shaken:
                    wire._ready += await wire._read()
        except BaseException as fault:
            if wire is not None:
                wire.cut()
            if isinstance(fault, OSError):
                raise Gone from None
            raise
        return wire

    async def receive(self, seconds: float) -> list[Message]:
        if not self._ready:
            try:
                async with asyncio.timeout(seconds):
                    self._ready = await self._read()
            except TimeoutError:
                return []
        messages, self._ready = self._ready, []
        return messages

    async def send(self, frame: object) -> None:
        self._writer.write(frames.text_frame(msgspec.json.encode(frame)))

    def cut(self) -> None:
        self._writer.transport.abort()

    async def _read(self) -> list[Message]:
        _check(self._seat)
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            data = b""
        messages = _take(self._seat, data)
        if self._seat.owed:
            self._writer.write(self._seat.owed)
            self._seat.owed = b""
        return messages


class BlockingWire:
    """A blocking socket, which gevent patches. Raises Gone if refused."""

    def __init__(self, target: Target, seat: Seat, token: str) -> None:
        self._seat = seat
        self._ready: list[Message] = []
        self._connection = connect(target, OPEN_S)
        try:
            self._connection.connect()
            self._connection.sock.sendall(seat.connect(target.authority, token))
            while not seat.shaken:
                self._ready += self._read()
        except OSError:
            self.cut()
            raise Gone from None
        except Gone:
            self.cut()
            raise

    async def receive(self, seconds: float) -> list[Message]:
        ends_s = time.monotonic() + seconds
        while not self._ready and (left_s := ends_s - time.monotonic()) > 0:
            self._connection.sock.settimeout(left_s)
            try:
                self._ready = self._read()
            except TimeoutError:
                break
            except OSError:
                raise Gone from None
        messages, self._ready = self._ready, []
        return messages

    async def send(self, frame: object) -> None:
        self._send(frames.text_frame(msgspec.json.encode(frame)))

    def cut(self) -> None:
        self._connection.close()

    def _read(self) -> list[Message]:
        _check(self._seat)
        messages = _take(self._seat, self._connection.sock.recv(READ_BYTES))
        if self._seat.owed:
            self._send(self._seat.owed)
            self._seat.owed = b""
        return messages

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sock.settimeout(OPEN_S)
            self._connection.sock.sendall(data)
        except OSError:
            raise Gone from None


def _take(seat: Seat, data: bytes) -> list[Message]:
    """The messages in these bytes. Raises Gone at the end of the connection, after all messages."""
    if not data:
        raise Gone
    messages = seat.receive(data)
    if not messages:
        _check(seat)
    return messages


def _check(seat: Seat) -> None:
    if seat.gone is not None:
        raise seat.gone
