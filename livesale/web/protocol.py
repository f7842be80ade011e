"""The server side of a connection: bounded in time and number; malformed HTTP gets a problem.

aiohttp closes idle connections and reads bodies when a handler asks for them. This adds what it
lacks: a time for the head of a request (also the first one), a bound on its bytes, a bound on
reading ahead, an end after bytes that cannot be parsed, places for connections
(livesale.web.places), and an end for clients that do not read.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from livesale.settings import HttpSettings
from livesale.tasks import note_fault
from livesale.web.metrics import HTTP_CONNECTIONS, HTTP_CUT, HTTP_OWED
from livesale.web.places import Keys, Places
from livesale.web.problems import CONTENT_TYPE, Problem
from livesale.web.replies import Reply, render
from livesale.web.routes import Answer
from livesale.web.traffic import new_request_id, request_id_of

MAX_HEAD_BYTES = 32 * 1024  # of all lines together, while they trickle in
MAX_HEADERS = 100
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\nContent-Length: "
STALL_S = 60.0  # longer than any handler may take: a client that does not read its answer
WATCH_S = 0.5
MAX_AHEAD = 64 * 1024  # of requests behind the one that is answered, before nothing more is read
MAX_UNSENT = 16 * 1024  # of answers that a client does not take: then the next one waits
MAX_FAULT = 200  # characters of what aiohttp says of bytes that it cannot parse
# A chunk costs the parser as much as a hundred bytes. So a body may have so many small ones, and
# one more for each CHUNK_BYTES that came.
SMALL_CHUNKS = 64
CHUNK_BYTES = 64
LINGER_S = 1.0  # for the rest of a body that nobody reads, so that its sender sees the answer

log = structlog.get_logger(__name__)

# Why a transport is kept from reading, besides what aiohttp has for reasons.
UNREAD = 1  # much is there that nobody has looked at yet
AHEAD = 2  # aiohttp has many requests behind the one that is answered
BROKEN = 4  # what came cannot be parsed: nothing behind it can
REFUSED = 8  # a refusal waits for its turn

_FOR_HEALTH = tuple(
    f"{method} {path}{end}".encode()
    for method in ("GET", "HEAD")
    for path in ("/livez", "/readyz", "/metrics")
    for end in (" ", "?")
)

# What the connections of an application are made by; `Connection` unless it has another.
CONNECT: "web.AppKey[Callable[..., Connection]]" = web.AppKey("connect")
PLACES = web.AppKey("places", Places)


class Connection(RequestHandler):
    """aiohttp's, with problems where it would answer plain text or HTML."""

    __slots__ = (
        "_ahead",
        "_busy_count",
        "_busy_since",
        "_chunked",
        "_chunked_bytes",
        "_chunked_lines",
        "_head_began",
        "_head_bytes",
        "_holds",
        "_idle",
        "_seen",
        "_spare",
    )

    def __init__(self, manager: "_Server", **options: Any) -> None:
        self._idle: asyncio.Future[None] | None = None
        self._ahead = 0  # bytes that aiohttp was given since it last waited for a request
        self._holds = 0  # reasons not to read
        self._spare = False  # whether only health is answered
        super().__init__(manager, **options)
        self._head_began = 0.0  # loop time at which we began to wait for a head; 0: we do not
        self._head_bytes = 0
        self._seen = b""  # the last bytes that came: the end of a head may be cut in two
        self._busy_count = -1
        self._busy_since = 0.0
        self._chunked: StreamReader | None = None  # the body whose chunks are counted
        self._chunked_bytes = self._chunked_lines = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(self._manager, _Server)  # noqa: S101  it made us
        assert self.transport is not None  # noqa: S101  just now
        self.transport.set_write_buffer_limits(high=MAX_UNSENT)
        self._head_began = self._loop.time()
        peer = self.peername
        places = self._manager.places
        if not places.admit(self, str(peer[0]) if isinstance(peer, tuple) else None):
            self._refuse("overloaded", "full")
        self._spare = places.is_spare(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        if isinstance(self._manager, _Server):
            self._manager.places.leave(self)
        super().connection_lost(exc)

    def give_way(self) -> bool:
        """Close, unless a request is being answered or has come."""
        waiter = self._idle
        if self._request_in_progress or waiter is None or waiter.done() or self.transport is None:
            return False
        HTTP_CUT.labels("gave_way").inc()
        self.force_close()
        return True

    def cut_debtor(self) -> None:
        HTTP_CUT.labels("owed").inc()
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self._manager, _Server) and self.transport is not None:
            self._manager.places.owe(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self._manager, _Server):
            self._manager.places.settle(self)

    def hand_over(
        self, client: "Client", keys: Keys, *, nameless: bool
    ) -> tuple[asyncio.Transport, bytes]:
        """Give the transport away for good; with it comes what was read behind the request.

        aiohttp is told that the connection is gone, and lets go of all that it kept for it. The
        client is counted by `keys`.
        """
        transport: Any = self.transport  # that of uvloop is no asyncio.Transport by its type
        rest = bytes(self._message_tail)
        assert isinstance(self._manager, _Server)  # noqa: S101  it made us
        self._manager.places.hand_over(self, client, keys, nameless=nameless)
        self.transport = None  # or aiohttp would close it
        super().connection_lost(None)
        transport.set_protocol(client)
        transport.resume_reading()
        return transport, rest

    def data_received(self, data: bytes) -> None:
        if not (self._holds or self._seen or self._spare) and self._payload_parser is None:
            if _is_one_request(data):  # most that come are: they need no second look
                self._parse(data)
                return
        elif self._holds & BROKEN or (self._spare and not self._is_served(data)):
            return
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
        body = self._last_body()
        if body is not None and not body.is_eof() and self._is_in_crumbs(body, data):
            self._hold(BROKEN)
            self._seen = b""
            body.set_exception(web.RequestPayloadError("the chunks of the body are too small"))
            return
        super().data_received(data)
        if self._messages and type(self._messages[-1][0]) is _ErrInfo:
            self._break_off(self._messages[-1][0])
        waiter = self._idle
        if waiter is None or waiter.done():
            self._head_began, self._head_bytes = 0.0, 0
            self._ahead += len(data)
            if self._ahead > MAX_AHEAD and not self._holds & AHEAD and not self._is_taken():
                self._hold(AHEAD)
            return
        # Bytes came, and still there is no request.
        self._head_began = self._head_began or self._loop.time()
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("headers_too_large", "head_bytes")

    def _is_in_crumbs(self, body: StreamReader, data: bytes) -> bool:
        """Whether a body has far too many chunks for its size; `data` is its next part."""
        request = self._current_request
        message = self._messages[-1][0] if self._messages else request and request._message
        if not getattr(message, "chunked", False):
            return False
        if body is not self._chunked:
            self._chunked, self._chunked_bytes, self._chunked_lines = body, 0, 0
        self._chunked_bytes += len(data)
        self._chunked_lines += data.count(b"\r\n")  # two for each chunk
        return self._chunked_lines > 2 * (SMALL_CHUNKS + self._chunked_bytes // CHUNK_BYTES)

    def _is_served(self, data: bytes) -> bool:
        """Whether a connection in a spare place asks for what is answered there."""
        assert isinstance(self._manager, _Server)  # noqa: S101  it made us
        self._spare = self._manager.places.is_spare(self)
        if self._spare and data and not data.startswith(_FOR_HEALTH) and self.transport is not None:
            self._refuse("overloaded", "full")
        return self.transport is not None

    # A request that is torn, and what is behind it.

    def _break_off(self, fault: _ErrInfo) -> None:
        """Nothing more is read: parsers would refuse each piece of it, and keep it to say so.

        What was asked before is answered. Then the fault is, unless it is in a body: then that
        request is the one it makes bad.
        """
        self._hold(BROKEN)
        self._seen = b""
        error = fault.exc
        error.__traceback__ = error.__context__ = None  # it holds the bytes, and itself
        error.args = ()
        if isinstance(error, HttpProcessingError):
            error.message = error.message[:MAX_FAULT]
        info = _ErrInfo(fault.status, error, fault.message[:MAX_FAULT])
        _, payload = self._messages.pop()
        body = self._last_body()
        if body is None or body.is_eof():
            self._messages.append((info, payload))
        else:
            body.set_exception(web.RequestPayloadError("the body cannot be parsed"))

    def _last_body(self) -> StreamReader | None:
        """That of the request which came last, if it is not answered yet."""
        if self._messages:
            return self._messages[-1][1]
        request = self._current_request
        return request._payload if request is not None else None

    def _is_taken(self) -> bool:
        """Whether a handler takes what comes: the rest of a body, or, once it has said yes to an
        upgrade, what follows that."""
        if self._upgraded:
            return self._payload_parser is not None
        body = self._last_body()
        return body is None or not body.is_eof()

    # Reading, and not.

    def _hold(self, reason: int) -> None:
        """Read no more until this is released."""
        self._holds |= reason
        self._pause_transport_reading()

    def _release(self, reason: int) -> None:
        self._holds &= ~reason
        if not self._holds and not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._holds:
            super()._resume_transport_reading()

    @property
    def _waiter(self) -> "asyncio.Future[None] | None":
        """What aiohttp sets when it begins to wait for a request: then it has answered all."""
        return self._idle

    @_waiter.setter
    def _waiter(self, future: "asyncio.Future[None] | None") -> None:
        self._idle = future
        if future is not None:
            self._on_waiting()

    def _on_waiting(self) -> None:
        if isinstance(self._manager, _Server):
            self._manager.places.end(self)
        self._ahead = 0
        if self._holds & AHEAD:
            self._release(AHEAD)

    def look(self, now: float, head_s: float) -> None:
        """Cut this connection off if its client takes too long."""
        if self._request_in_progress:
            if self._busy_count != self._request_count:
                self._busy_count, self._busy_since = self._request_count, now
            elif now - self._busy_since > STALL_S and self.transport is not None:
                HTTP_CUT.labels("stalled").inc()
                self.transport.abort()
        elif self._head_began and now - self._head_began > head_s:
            if self._head_bytes:
                self._refuse("request_timeout", "slow_head")
            else:
                HTTP_CUT.labels("silent").inc()
                self.force_close()

    def _refuse(self, code: str, why: str) -> None:
        """Answer a problem outside of any request, and close."""
        HTTP_CUT.labels(why).inc()
        problem = Problem(code)
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)
        if self.transport is not None:
            text = render(answer, new_request_id(), version=HttpVersion11, keep_alive=False)
            self.transport.write(text)
        self.force_close()

    def log_exception(self, *args: Any, **details: Any) -> None:
        """What aiohttp did not foresee: a body that is torn is its sender's fault, not ours."""
        fault = details.get("exc_info")
        if isinstance(fault, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            fault.__traceback__ = None  # the body keeps the fault, and this would keep the body
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
        found = await super().finish_response(request, resp, start_time)
        last = self._messages[-1][0] if self._messages else None
        if type(last) is _ErrInfo and not self._holds & BROKEN:  # behind an upgrade
            self._break_off(last)
        return found

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
            log.error("unexpected error", status=status, exc_info=exc)
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE)
        reply = Reply(answer, request_id_of(request.headers))
        reply.force_close()
        return reply


def _is_one_request(data: bytes) -> bool:
    """Whether these bytes are one head with all of its body, and nothing behind it."""
    end = data.find(HEAD_END) + len(HEAD_END)
    if end == len(data):
        return True
    at = data.find(LENGTH, 0, end) + len(LENGTH)
    length = data[at : data.find(b"\r", at)] if at >= len(LENGTH) else b""
    return length.isdigit() and len(length) < 8 and end + int(length) == len(data)


class Client(asyncio.Protocol):
    """Another protocol on a counted connection: looked at twice a second."""

    def look(self, now: float, head_s: float) -> None:
        """Cut it off if it takes too long."""

    def give_way(self) -> bool:
        """End it in favour of a newcomer, if its viewer is nobody known."""
        return False

    def cut_debtor(self) -> None:
        """End it at once."""


class _Server(web.Server):
    """Counts its connections, and looks at each of them twice a second."""

    def __init__(
        self,
        http: HttpSettings,
        made: web.Server,
        connect: Callable[..., Connection],
        places: Places,
    ) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
        self._http = http
        self._connect = connect
        self.places = places
        self._timer = self._loop.call_later(WATCH_S, self._watch)
        HTTP_CONNECTIONS.set_function(lambda: len(places))
        HTTP_OWED.set_function(lambda: places.owed_bytes)

    def __call__(self) -> RequestHandler:
        return self._connect(self, loop=self._loop, **self._kwargs)

    def stop_watching(self) -> None:
        self._timer.cancel()

    def _watch(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(WATCH_S, self._watch)
        for connection in self.places:
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
        places = self.app.get(PLACES)
        if places is None:
            places = Places(self._http)
        return _Server(self._http, await super()._make_server(), connect, places)

    async def cleanup(self) -> None:
        if isinstance(self._server, _Server):
            self._server.stop_watching()
        await super().cleanup()
