"""The target of the load: this machine, or a host that the user confirms as their own.

A load test against somebody else's service is an attack. So every tool here parses its address with
`parse_target`, which refuses any host but loopback unless the user names it a second time.
"""

import http.client
import ipaddress
import os
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

FLAG = "--i-own-this-host"
VARIABLE = "LIVESALE_LOAD_I_OWN_THIS_HOST"
ANSWER_S = 5.0
MAX_ANSWER_BYTES = 4_096

_PORTS = {"http": 80, "https": 443}


class TargetRefused(Exception):
    """The address is malformed, or the user has not confirmed that they own the host."""


class TargetAway(Exception):
    """The target does not answer, or is not livesale."""


@dataclass(frozen=True)
class Target:
    """The origin of a service. `host` is in lower case, without the brackets of IPv6."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The origin as a URL, without a slash at the end."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port, as in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, owned: Collection[str] = ()) -> Target:
    """Parse the URL of a target. `owned` are hosts that the user confirmed as their own; the
    environment may name more, separated by commas.

    Raises TargetRefused with one line for anything but http(s)://host[:port], and for a host that
    is neither loopback nor owned. A name is loopback if all its addresses are.
    """
    target = _split(url)
    named = {_bare(host) for host in [*owned, *os.environ.get(VARIABLE, "").split(",")]}
    if target.host in named or _is_loopback(target):
        return target
    raise TargetRefused(
        f"{target.host} is not this machine. If you may load it, add {FLAG} {target.host}"
    )


def check_answers(target: Target, timeout_s: float = ANSWER_S) -> None:
    """GET `/livez` once. Raises TargetAway with one line unless livesale answers."""
    connection = connect(target, timeout_s)
    try:
        connection.request("GET", "/livez", headers={"Host": target.authority})
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER_BYTES)
    except TimeoutError:
        raise TargetAway(f"{target.url} does not answer within {timeout_s:g} s.") from None
    except ssl.SSLError as error:
        raise TargetAway(f"{target.url} has a TLS error: {error}.") from None
    except http.client.HTTPException as error:
        raise TargetAway(f"{target.url} does not speak HTTP: {type(error).__name__}.") from None
    except OSError as error:
        raise TargetAway(f"{target.url} cannot be reached: {error.strerror or error}.") from None
    finally:
        connection.close()
    if answer.status != 200 or b"alive" not in body:
        raise TargetAway(f"{target.url} is not livesale: GET /livez gave {answer.status}.")


def _split(url: str) -> Target:
    example = "write it like http://127.0.0.1:8080"
    if not url.isascii() or any(sign <= " " or sign == "\\" for sign in url):
        raise TargetRefused(f"{url!r} is no target: {example}.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TargetRefused(f"{url!r} is no target ({error}): {example}.") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise TargetRefused(f"{url!r} is no target: {example}.")
    if "@" in parts.netloc or parts.path not in ("", "/") or "?" in url or "#" in url:
        raise TargetRefused(f"{url!r} has more than scheme, host and port: {example}.")
    return Target(parts.scheme, _bare(parts.hostname), port or _PORTS[parts.scheme])


def _bare(host: str) -> str:
    return host.strip().lower().strip("[]").rstrip(".")


def _is_loopback(target: Target) -> bool:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise TargetRefused(f"{target.host} has no address: is it spelled right?") from None
    return all(
        ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found
    )


def connect(target: Target, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that opens with the first request. Verifies certificates."""
    if target.scheme == "https":
        return http.client.HTTPSConnection(
            target.host, target.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
