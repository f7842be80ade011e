"""HTTP/1.1 for a crowd: keep-alive connections, each with at most one request in flight.

aiohttp's client makes only 2,000 to 3,000 requests a second on one core, so a test would measure
its own crowd. No pipelining, as in a browser: a server answers one connection in order, so a slow
answer would delay those behind it, although real buyers have connections of their own. httptools
reads the answers. An answer that ends by closing the connection, as in HTTP/1.0, counts as lost:
a broken answer looks the same.
"""

import asyncio
import ssl
import time
from typing import Protocol, cast

import httptools  # type: ignore[import-not-found, unused-ignore]
from msgspec import Struct

from loadtests.line import LOST, REFUSED, Answer, Line, Request, read_answer
from loadtests.target import Target

CONNECT_S = 5.0
ANSWER_S = 10.0


class NotSent(Exception):
    """There is no connection: the request was not sent."""


class Lost(Exception):
    """The connection broke, or the answer made no sense, after the request was sent."""


class Raw(Struct, frozen=True):
    """An answer as received."""

    status: int
    body: bytes
    retry_after: str


class Owner(Protocol):
    """The owner of a connection: it sends the requests."""

    def on_answer(self, connection: "Connection", due_s: float, status: int, body: bytes) -> None:
        """The request with this due time is answered, and the connection is free."""

    def on_lost(self, connection: "Connection", due_s: float | None) -> None:
        """The connection broke, and with it the request in flight, if any."""


class Connection(asyncio.Protocol):
    """`due_s` is the due time of the request in flight; None while the connection is free."""

    __slots__ = ("_answers", "_begun", "_body", "_kept", "_owner", "_parser", "_transport", "due_s")

    def __init__(self, owner: Owner) -> None:
        self.due_s: float | None = None
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._begun = False
        self._answers = 0
        self._kept = True

    def send(self, due_s: float, request: bytes) -> None:
        """Send a request on a free connection."""
        assert self._transport is not None  # noqa: S101  it is used only once connected
        self.due_s = due_s
        self._transport.write(request)

    def abort(self) -> None:
        """Close the connection; the owner's `on_lost` is called."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but acts as one

    def connection_lost(self, exc: Exception | None) -> None:
        due_s, self.due_s, self._transport = self.due_s, None, None
        self._owner.on_lost(self, due_s)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
            return
        if not self._answers:
            return
        due_s, more = self.due_s, self._begun or self._answers > 1
        self._answers = 0
        if due_s is None or more:  # an answer without a request: the order is unknown
            self.abort()
            return
        self.due_s = None
        body, self._body = self._body, b""
        if not self._kept:
            self.abort()
        self._owner.on_answer(self, due_s, self._parser.get_status_code(), body)

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # Callbacks of httptools.

    def on_message_begin(self) -> None:
        self._begun = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._begun = False
        if self._parser.get_status_code() >= 200:  # the real answer follows a 1xx
            self._answers += 1
            self._kept = self._parser.should_keep_alive()  # the parser forgets it after this call


class _Reading(Connection):
    """Reads Retry-After, too. It costs a call for each header, so the open loop does without."""

    __slots__ = ("retry_after",)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.retry_after = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()


class Pool:
    """At most `size` connections to one server. While all are busy, requests wait in order.

    `home` is the address of this machine that they come from; any, if it is empty.
    """

    def __init__(self, target: Target, size: int, home: str = "") -> None:
        self.authority = target.authority
        self._target = target
        self._home = (home, 0) if home else None
        self._tls = ssl.create_default_context() if target.scheme == "https" else None
        self._idle: list[_Reading] = []
        self._asked: dict[Connection, asyncio.Future[Raw]] = {}
        self._free = asyncio.Semaphore(size)

    async def ask(self, request: bytes, timeout_s: float = ANSWER_S) -> Raw:
        """Raises NotSent when nothing was sent, Lost when no answer came."""
        async with self._free:
            connection = self._take_idle() or await self._connect()
            answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
            self._asked[connection] = answer
            connection.send(time.monotonic(), request)
            try:
                async with asyncio.timeout(timeout_s):
                    return await answer
            except TimeoutError:
                raise Lost(f"no answer in {timeout_s} s") from None
            finally:
                if self._asked.pop(connection, None) is not None:
                    connection.abort()  # a late answer must not meet the next request
                elif connection.usable:  # only now: the next request must not see this owner
                    self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().abort()

    def on_answer(self, connection: Connection, due_s: float, status: int, body: bytes) -> None:
        assert isinstance(connection, _Reading)  # noqa: S101  made in _connect
        answer = self._asked.pop(connection, None)
        if answer is not None and not answer.done():
            answer.set_result(Raw(status, body, connection.retry_after))

    def on_lost(self, connection: Connection, due_s: float | None) -> None:
        answer = self._asked.pop(connection, None)
        if answer is not None and not answer.done():
            answer.set_exception(Lost("the connection was closed"))

    def _take_idle(self) -> _Reading | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> _Reading:
        host, port = self._target.host, self._target.port
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await loop.create_connection(
                    lambda: _Reading(self), host, port, ssl=self._tls, local_addr=self._home
                )
        except (OSError, TimeoutError) as error:
            raise NotSent(str(error)) from error
        return connection


class PoolLine(Line):
    """Requests of many people over one pool."""

    def __init__(self, pool: Pool, timeout_s: float = ANSWER_S) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def carry(self, request: Request) -> Answer:
        try:
            raw = await self._pool.ask(request.raw(self._pool.authority), self._timeout_s)
        except NotSent:
            return Answer(0, REFUSED)
        except Lost:
            return Answer(0, LOST)
        return read_answer(request.name, raw.status, raw.body, raw.retry_after)


class LoopTime:
    """The clock of this machine, and a sleep on the event loop."""

    def now_ms(self) -> float:
        return time.time() * 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
