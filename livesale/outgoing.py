"""The HTTP client for services outside, such as WeChat's."""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from stock.idle import QUIET_S, keep_alive


def open_session(*, at_once: int = 100, proxy: str | None = None) -> aiohttp.ClientSession:
    """A client session without cookies that uses at most `at_once` connections; 0 sets no limit.

    A connection that was idle for QUIET_S is replaced: HTTP has no ping, and a request into a
    connection that died in silence has an unknown outcome. The environment (http_proxy and the
    like) is not followed: `proxy` is what the settings say, by `proxy_for`.
    """
    connector = aiohttp.TCPConnector(
        keepalive_timeout=QUIET_S, limit=at_once, socket_factory=_make_socket
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy
    )


def proxy_for(base_url: str, proxy: str) -> str | None:
    """The proxy for calls to this address, or None: the setting is empty, or it is loopback."""
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
