"""An answer on the wire. Parts that are the same for all answers of a kind are built once.

aiohttp's own Response builds a multidict of headers for each request and writes it out again: that
takes three times as long as all of this.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import msgspec
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from livesale.web.routes import Answer

# Data is no page: whatever a browser takes it for, nothing of it may run or be framed.
_NO_PAGE = "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"

_CACHE = "Cache-Control"

_encode = msgspec.json.Encoder().encode


class Reply(web.StreamResponse):
    """The response of an answer; written in one piece when aiohttp prepares it."""

    def __init__(self, answer: Answer, request_id: str, site: str = "") -> None:
        super().__init__(status=answer.status)
        self._answer = answer
        self._request_id = request_id
        self._site = site

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._eof_sent:
            return None
        self._req = request
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        self._eof_sent = True
        writer = request.writer
        await writer.write_eof(
            render(
                self._answer,
                self._request_id,
                version=request.version,
                keep_alive=self._keep_alive,
                head_only=request.method == "HEAD",
                site=self._site,
            )
        )
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: it is all written."""


class Handover(web.StreamResponse):
    """The response of an upgrade: whoever has taken the connection over has written it."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._req = request
        self._keep_alive = False  # aiohttp's loop for this connection ends with it
        self._eof_sent = True
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the connection is another's."""


def render(
    answer: Answer,
    request_id: str,
    *,
    version: HttpVersion,
    keep_alive: bool,
    head_only: bool = False,
    site: str = "",
) -> bytes:
    """The bytes of an answer. `request_id` and the answer's own headers must be sane.

    `site` is what livesale.web.site adds, as lines.
    """
    value = answer.value
    body = value if type(value) is bytes else _encode(value)
    own = answer.headers
    if not (own or site or head_only) and keep_alive and version == HttpVersion11:
        # What nearly everybody gets: all but the request id and the body is made once a second.
        before, behind = _frame(answer.status, answer.content_type, len(body), int(time.time()))
        return b"".join((before, request_id.encode(), behind, body))
    extra = site
    cache = "no-store"
    if own:
        extra += "".join(f"{name}: {text}\r\n" for name, text in own.items() if name != _CACHE)
        cache = own.get(_CACHE, cache)
    if keep_alive is (version == HttpVersion10) and not (own and "Connection" in own):
        extra += f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
    # The length of a 304 would be that of the document that it does not send.
    length = f"Content-Length: {len(body)}\r\n" if answer.status != 304 else ""
    head = (
        f"{_beginning(version, answer.status, answer.content_type, cache)}{request_id}\r\n"
        f"Date: {_date(int(time.time()))}\r\n{length}{extra}\r\n"
    ).encode()
    return head if head_only else head + body


@lru_cache(maxsize=512)
def _frame(status: int, content_type: str, length: int, second: int) -> tuple[bytes, bytes]:
    """The head of an answer without headers of its own, before and behind the request id."""
    before = _beginning(HttpVersion11, status, content_type, "no-store").encode()
    size = f"Content-Length: {length}\r\n" if status != 304 else ""
    return before, f"\r\nDate: {_date(second)}\r\n{size}\r\n".encode()


@lru_cache(maxsize=512)
def _beginning(version: HttpVersion, status: int, content_type: str, cache: str) -> str:
    return (
        f"HTTP/{version.major}.{version.minor} {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"{'' if content_type.startswith('text/html') else _NO_PAGE}"
        f"Cache-Control: {cache}\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Server: livesale\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "X-Request-Id: "
    )


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
