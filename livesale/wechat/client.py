"""The HTTP client for outside services, such as WeChat's.

Clients' requests cause these calls. So each call waits for its turn: the number of concurrent calls
is limited, and an address or buyer with many calls delays only itself.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct
from multidict import MultiMapping
from yarl import URL

from livesale.tasks.turns import WORKS_FOR, Turns
from stock.idle import QUIET_S, keep_alive

MAX_ANSWER_BYTES = 65_536
MAX_TURNS = 8  # the queue's limit, in multiples of `at_once`; a quarter of it for one key


class Bounds(Struct, frozen=True):
    """Limits of one process for one service: concurrent requests (one address or buyer may use
    half of them), and requests a second."""

    at_once: int = 40
    per_s: float | None = 200.0


class OutsideFault(Exception):
    """There is no answer. The text never has the URL, which may have secrets."""


class NotAsked(OutsideFault):
    """Nothing was sent."""


class NoAnswer(OutsideFault):
    """It was or may have been sent: it may have taken effect."""


class Answer(Struct, frozen=True):
    """An answer of an outside service."""

    status: int
    headers: MultiMapping[str]
    body: bytes


class Outgoing:
    """Requests to one outside service, while `running`."""

    def __init__(self, base_url: str, timeout_s: float, bounds: Bounds, proxy: str = "") -> None:
        """`timeout_s` limits a request, and also the wait for its turn; `proxy` comes from the
        settings."""
        self._proxy = proxy_for(base_url, proxy)
        self._bounds = bounds
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._turns = Turns(
            bounds.at_once,
            each=max(1, bounds.at_once // 2),
            max_waiting=MAX_TURNS * bounds.at_once,
            max_each=max(1, MAX_TURNS // 4 * bounds.at_once),
            wait_s=timeout_s,
            per_s=bounds.per_s,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with open_session(at_once=self._bounds.at_once, proxy=self._proxy) as self._session:
            yield
        self._session = None

    async def ask(
        self, method: str, url: str | URL, most_bytes: int = MAX_ANSWER_BYTES, **options: Any
    ) -> Answer:
        """Send one request, without following redirects.

        Raises Crowded if too many wait (nothing was sent), NotAsked or NoAnswer.
        """
        session = self._session
        if session is None:
            raise NotAsked("not running")
        try:
            async with (
                self._turns.passing(WORKS_FOR.get().key),
                session.request(
                    method, url, timeout=self._timeout, allow_redirects=False, **options
                ) as response,
            ):
                body = await _read_bounded(response.content, most_bytes)
                return Answer(response.status, response.headers, body)
        except aiohttp.ClientConnectorError as error:
            raise NotAsked(f"out of reach: {type(error).__name__}") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from None


async def _read_bounded(content: aiohttp.StreamReader, most_bytes: int) -> bytes:
    """The whole body. Raises NoAnswer."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise NoAnswer("an answer without end")
    return bytes(body)


def open_session(*, at_once: int = 100, proxy: str | None = None) -> aiohttp.ClientSession:
    """A client session without cookies that uses at most `at_once` connections; 0 sets no limit.

    A connection that was idle for QUIET_S is replaced: HTTP has no ping, and a request on a dead
    connection has an unknown outcome. It ignores http_proxy and the like in the environment:
    `proxy` comes from the settings, by `proxy_for`.
    """
    connector = aiohttp.TCPConnector(
        keepalive_timeout=QUIET_S, limit=at_once, socket_factory=_make_socket
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy
    )


def proxy_for(base_url: str, proxy: str) -> str | None:
    """The proxy for this URL; None if the setting is empty or the host is loopback."""
    host = urlsplit(base_url).hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return None if here or not proxy else proxy


def _make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    keep_alive(sock)
    return sock
