"""The URLs of Redis servers: which hosts they name, and how these belong together. No I/O."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL = "sentinel://"
SENTINEL_TLS = "sentinels://"
SENTINEL_PORT = 26_379
CLUSTER = "cluster://"
CLUSTER_TLS = "clusters://"
CLUSTER_PORT = 6_379
GROUPS = ";"  # between the URLs of several groups


def groups_of(url: str) -> list[str]:
    """The URLs of several groups of Sentinels, or the only URL."""
    if not url.startswith((SENTINEL, SENTINEL_TLS)):
        return [url]
    return [each.strip() for each in url.split(GROUPS)]


def in_cluster(url: str) -> bool:
    return url.startswith((CLUSTER, CLUSTER_TLS))


def has_failover(url: str) -> bool:
    """Whether another server can take the place of a primary by itself."""
    return in_cluster(url) or url.startswith((SENTINEL, SENTINEL_TLS))


def with_name(url: str, name: str) -> str:
    """The URL with a client name, which the servers show in their list of clients."""
    option = f"client_name={name}"
    return GROUPS.join(f"{each}{'&' if '?' in each else '?'}{option}" for each in groups_of(url))


def parse_cluster(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """cluster://[user:password@]host[:port][,host[:port]…][?client_name=…]: nodes and options.

    Any node will do. User and password are those of every node. Raises ValueError.
    """
    address, _, query = url.partition("://")[2].partition("?")
    netloc, _, path = address.partition("/")
    credentials, _, hosts = netloc.rpartition("@")
    if path:
        raise ValueError("a cluster has one database: nothing can follow its hosts")
    if not hosts:
        raise ValueError("it must be cluster://host:port,host:port")
    options = dict(parse_qsl(query)) | credentials_of(credentials)
    return [parse_host(each, CLUSTER_PORT) for each in hosts.split(",")], options


def credentials_of(text: str) -> dict[str, Any]:
    if not text:
        return {}
    user, _, password = text.partition(":")
    return {"username": unquote(user) or None, "password": unquote(password) or None}


def show_host(host: str, port: int) -> str:
    """The form in a URL: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_host(text: str, port_of_none: int = SENTINEL_PORT) -> tuple[str, int]:
    """host, host:port, [IPv6 address] or [IPv6 address]:port"""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    bare = f"[{host}]" if ":" in host else host
    # urlsplit ignores text beside the brackets.
    rest = text[len(bare) :] if text.lower().startswith(bare) else "?"
    if not host or port == 0 or (rest and not rest[1:].isdecimal()) or rest[:1] not in ("", ":"):
        raise ValueError(f"{text!r} is not host:port; an IPv6 address needs brackets")
    return host, port or port_of_none
