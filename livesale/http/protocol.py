"""The server side of a connection: bounded in time and number; what is hardly HTTP gets a problem.

aiohttp closes what is idle and reads bodies when a handler asks for them. What it lacks stands
here: a time for the head of a request (the first one too), a bound on its bytes as they trickle
in, a bound on connections, of all and of one address, and an end for clients that do not read.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from livesale import metrics
from livesale.http.hub import HUB
from livesale.http.limits import Clients
from livesale.http.problems import CONTENT_TYPE, Problem
from livesale.http.replies import Reply, render
from livesale.http.routes import Answer
from livesale.http.traffic import new_request_id, request_id_of
from livesale.settings import HttpSettings
from livesale.tasks import note_fault

MAX_HEAD_BYTES = 32 * 1024  # of all lines together, while they trickle in
MAX_HEADERS = 100
HEAD_END = b"\r\n\r\n"
STALL_S = 60.0  # longer than any handler may take: a client that does not read its answer
WATCH_S = 0.5
LINGER_S = 1.0  # for the rest of a body that nobody reads, so that its sender sees the answer

log = structlog.get_logger(__name__)

# What the connections of an application are made by; `Connection` unless it has another.
CONNECT: "web.AppKey[Callable[..., Connection]]" = web.AppKey("connect")


class Connection(RequestHandler):
    """aiohttp's, with problems where it would answer plain text or HTML."""

    __slots__ = ("_busy_count", "_busy_since", "_head_began", "_head_bytes", "_seen")

    def __init__(self, manager: "_Server", **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_began = 0.0  # loop time at which we began to wait for a head; 0: we do not
        self._head_bytes = 0
        self._seen = b""  # the last bytes that came: the end of a head may be cut in two
        self._busy_count = -1
        self._busy_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(self._manager, _Server)  # noqa: S101  it made us
        self._head_began = self._loop.time()
        if not self._manager.admit(self):
            self._refuse("overloaded", "full")

    def connection_lost(self, exc: BaseException | None) -> None:
        if isinstance(self._manager, _Server):
            self._manager.leave(self)
        super().connection_lost(exc)

    def hand_over(self, client: "Client") -> tuple[asyncio.Transport, bytes]:
        """Give the transport away for good; with it comes what was read behind the request.

        aiohttp is told that the connection is gone, and lets go of all that it kept for it.
        """
        transport: Any = self.transport  # that of uvloop is no asyncio.Transport by its type
        rest = bytes(self._message_tail)
        assert isinstance(self._manager, _Server)  # noqa: S101  it made us
        self._manager.hand_over(self, client)
        self.transport = None  # or aiohttp would close it
        super().connection_lost(None)
        transport.set_protocol(client)
        transport.resume_reading()
        return transport, rest

    def data_received(self, data: bytes) -> None:
        # One head at a time: where a bad request follows, aiohttp forgets the good ones that it
        # found in the same bytes, and answers only the bad one.
        given = len(self._seen)
        whole, end = self._seen + data, 0
        while self._payload_parser is None and not (self._buffer_paused or self._reading_paused):
            end = whole.find(HEAD_END, end) + len(HEAD_END)
            if end < len(HEAD_END) or end == len(whole):
                break
            self._parse(whole[given:end])
            given = end
        self._seen = whole[1 - len(HEAD_END) :]
        self._parse(whole[given:])

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._head_began, self._head_bytes = 0.0, 0
            return
        # Bytes came, and still there is no request.
        self._head_began = self._head_began or self._loop.time()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("headers_too_large", "head_bytes")

    def look(self, now: float, head_s: float) -> None:
        """Cut this connection off if its client takes too long."""
        if self._request_in_progress:
            if self._busy_count != self._request_count:
                self._busy_count, self._busy_since = self._request_count, now
            elif now - self._busy_since > STALL_S and self.transport is not None:
                metrics.HTTP_CUT.labels("stalled").inc()
                self.transport.abort()
        elif self._head_began and now - self._head_began > head_s:
            if self._head_bytes:
                self._refuse("request_timeout", "slow_head")
            else:
                metrics.HTTP_CUT.labels("silent").inc()
                self.force_close()

    def _refuse(self, code: str, why: str) -> None:
        """Answer a problem outside of any request, and close."""
        metrics.HTTP_CUT.labels(why).inc()
        problem = Problem(code)
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)
        if self.transport is not None:
            text = render(answer, new_request_id(), version=HttpVersion11, keep_alive=False)
            self.transport.write(text)
        self.force_close()

    def log_exception(self, *args: Any, **details: Any) -> None:
        """What aiohttp did not foresee: a body that is torn is its sender's fault, not ours."""
        torn = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
        if isinstance(details.get("exc_info"), torn):
            self.log_debug(*args, **details)
        else:
            super().log_exception(*args, **details)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends an answer. aiohttp's own is to a target that is no path: `*`, or CONNECT's."""
        if isinstance(resp, web.HTTPException):
            problem = Problem("not_found")
            answer = Answer(problem.status, problem.encode(), CONTENT_TYPE)
            resp = Reply(answer, request_id_of(request.headers))
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that cannot be parsed, or that no handler of ours caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if isinstance(exc, LineTooLong) or "Too many headers" in str(message):
            problem = Problem("headers_too_large")
        elif 400 <= status < 500:
            problem = Problem("malformed_request")
        else:
            problem = Problem("internal_error")
            log.error("unforeseen fault", status=status, exc_info=exc)
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE)
        reply = Reply(answer, request_id_of(request.headers))
        reply.force_close()
        return reply


class Client(asyncio.Protocol):
    """Whoever holds a counted connection: looked at twice a second."""

    def look(self, now: float, head_s: float) -> None:
        """Cut it off if it takes too long."""


class _Server(web.Server):
    """Counts its connections, and looks at each of them twice a second."""

    def __init__(
        self, http: HttpSettings, made: web.Server, connect: Callable[..., Connection]
    ) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
        self._http = http
        self._connect = connect
        self._clients = Clients(http.trusted_proxies)
        self._by_address: Counter[str] = Counter()
        self._addresses: dict[Connection | Client, str | None] = {}
        self._timer = self._loop.call_later(WATCH_S, self._watch)
        metrics.HTTP_CONNECTIONS.set_function(lambda: len(self._addresses))

    def __call__(self) -> RequestHandler:
        return self._connect(self, loop=self._loop, **self._kwargs)

    def admit(self, connection: Connection) -> bool:
        """Count a connection; False when there are too many, of all or of its address.

        A trusted proxy speaks for many: only all together are bounded then.
        """
        peer = connection.peername
        address = self._clients.address(str(peer[0]), "") if isinstance(peer, tuple) else None
        self._addresses[connection] = address
        if address is not None:
            self._by_address[address] += 1
            if self._by_address[address] > self._http.max_connections_per_address:
                return False
        return len(self._addresses) <= self._http.max_connections

    def hand_over(self, connection: Connection, client: Client) -> None:
        """Another holds this connection from now on: it is counted as before."""
        self._addresses[client] = self._addresses.pop(connection, None)

    def leave(self, connection: Connection | Client) -> None:
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def stop_watching(self) -> None:
        self._timer.cancel()

    def _watch(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(WATCH_S, self._watch)
        for connection in list(self._addresses):
            try:
                connection.look(now, self._http.head_timeout_s)
            except Exception as fault:  # the others are looked at all the same
                note_fault("look at connections", fault)


class ApiRunner(web.AppRunner):
    """An AppRunner of our connections, with the bounds of the settings."""

    def __init__(
        self, app: web.Application, http: HttpSettings, *, shutdown_timeout: float | None = None
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=http.idle_timeout_s,
            lingering_time=LINGER_S,
            shutdown_timeout=http.drain_s if shutdown_timeout is None else shutdown_timeout,
            max_line_size=http.max_header_bytes,
            max_field_size=http.max_header_bytes,
            max_headers=MAX_HEADERS,
            auto_decompress=False,  # compressed bodies are refused, so nothing is ever unpacked
        )
        self._http = http

    async def _make_server(self) -> web.Server:
        connect = self.app.get(CONNECT, Connection)
        server = _Server(self._http, await super()._make_server(), connect)
        self.app[HUB].leave = server.leave
        return server

    async def cleanup(self) -> None:
        if isinstance(self._server, _Server):
            self._server.stop_watching()
        await super().cleanup()
