"""A lean HTTP/1.1 client for the crowd: keep-alive connections, one request at a time on each.

aiohttp's client makes 2,000 to 3,000 requests a second a core; then the demo would show the
crowd's limits, not the shop's. This one reads what our service sends: a status line, headers, a
body of Content-Length bytes. Anything else (chunked bodies, 1xx) is a fault, never a guess.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import cast

MAX_HEADER_BYTES = 16_384
MAX_BODY_BYTES = 1_048_576


class Refused(Exception):
    """There is no connection: the request was not sent."""


class Lost(Exception):
    """The connection broke, or the answer made no sense, after the request was sent."""


class Answer:
    """`status`, headers by lower-case name, and the body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._buffer = bytearray()
        self._head: tuple[int, dict[bytes, bytes], int] | None = None
        self.usable = False

    async def ask(self, request: bytes) -> Answer:
        """Send one request and wait for its answer. Raises Lost."""
        assert self._transport is not None
        assert self._waiting is None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            if self._waiting is not None:  # cancelled: its answer must not meet the next request
                self._waiting = None
                self.close()

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but acts as one
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was closed: {exc}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiting is None:
            self.close()  # nobody asked
            return
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEADER_BYTES:
                    self._fail("the headers do not end")
                return
            try:
                self._head = parse_head(bytes(self._buffer[:end]))
            except ValueError as error:
                self._fail(str(error))
                return
            del self._buffer[: end + 4]
        status, headers, length = self._head
        if len(self._buffer) < length:
            return
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        waiting, self._waiting = self._waiting, None
        if headers.get(b"connection", b"").lower() == b"close" or self._buffer:
            self.close()
        if not waiting.done():
            waiting.set_result(Answer(status, headers, body))

    def _fail(self, why: str) -> None:
        self.close()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(Lost(why))


def parse_head(head: bytes) -> tuple[int, dict[bytes, bytes], int]:
    """Status, headers and length of the body. Raises ValueError where it cannot tell."""
    first, *lines = head.split(b"\r\n")
    if first[:9] not in (b"HTTP/1.1 ", b"HTTP/1.0 ") or not first[9:12].isdigit():
        raise ValueError(f"not a status line: {first[:60]!r}")
    status = int(first[9:12])
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip():
            raise ValueError(f"not a header: {line[:60]!r}")
        name = name.lower()
        if name == b"content-length" and name in headers:
            raise ValueError("two lengths")
        headers[name] = value.strip()
    if status < 200 or b"transfer-encoding" in headers:
        raise ValueError("only plain answers with a length are read here")
    if status in (204, 304):
        return status, headers, 0
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise ValueError(f"no length, or too long a body: {length[:20]!r}")
    return status, headers, int(length)


class Pool:
    """At most `size` connections to one server; whoever asks while all are busy waits in line."""

    def __init__(self, host: str, port: int, size: int) -> None:
        self._host, self._port = host, port
        self._idle: deque[Connection] = deque()
        self._free = asyncio.Semaphore(size)

    async def ask(self, request: bytes, timeout_s: float = 10.0) -> Answer:
        """Raises Refused when nothing was sent, Lost when no answer came."""
        async with self._free:
            connection = self._idle.pop() if self._idle else None
            if connection is None or not connection.usable:
                connection = await self._connect()
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await connection.ask(request)
            except TimeoutError:
                raise Lost(f"no answer in {timeout_s} s") from None
            if connection.usable:
                self._idle.append(connection)
            return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(5):
                _, connection = await loop.create_connection(Connection, self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise Refused(str(error)) from error
        return connection
