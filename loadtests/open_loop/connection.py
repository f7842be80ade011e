"""One keep-alive connection with at most one request on its way, as a browser has it.

No pipelining: a server answers one connection in order, so a slow answer would hold back those
behind it, and its delay would count for buyers who in truth have connections of their own.
httptools reads the answers. An answer that ends with its connection, as HTTP/1.0 had it, counts as
lost: one that was cut off looks the same.
"""

import asyncio
from typing import Protocol, cast

import httptools  # type: ignore[import-not-found, unused-ignore]


class Owner(Protocol):
    """Whoever hands out the requests."""

    def on_answer(self, connection: "Connection", due_s: float, status: int, body: bytes) -> None:
        """The request that was due then is answered, and the connection is free."""

    def on_lost(self, connection: "Connection", due_s: float | None) -> None:
        """The connection is gone, and the answer with it if a request was on its way."""


class Connection(asyncio.Protocol):
    """`due_s` is when the request on its way was to be sent; None while the connection is free."""

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
        assert self._transport is not None  # noqa: S101  handed out once it is connected
        self.due_s = due_s
        self._transport.write(request)

    def abort(self) -> None:
        """Give up whatever is on its way; the owner hears that the connection is lost."""
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
        if due_s is None or more:  # an answer that nobody asked for: which is which?
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

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._begun = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._begun = False
        if self._parser.get_status_code() >= 200:  # 1xx only announces the answer
            self._answers += 1
            self._kept = self._parser.should_keep_alive()  # the parser forgets it after this call
