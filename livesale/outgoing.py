"""The HTTP client for services outside, such as WeChat's."""

import socket

import aiohttp

from stock.idle import QUIET_S, keep_alive


def open_session(*, at_once: int = 100) -> aiohttp.ClientSession:
    """A client session without cookies that uses at most `at_once` connections; 0 sets no limit.

    A connection that was idle for QUIET_S is replaced: HTTP has no ping, and a request into a
    connection that died in silence has an unknown outcome.
    """
    connector = aiohttp.TCPConnector(
        keepalive_timeout=QUIET_S, limit=at_once, socket_factory=_make_socket
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    keep_alive(sock)
    return sock
