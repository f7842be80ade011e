"""Listening sockets: all API workers share one port, and stop without resetting connections."""

import ctypes
import errno
import socket
import struct
from typing import Any

import structlog

from livesale.deployment.exposure import resolve
from livesale.errors import Refused
from livesale.settings import HttpSettings, Settings

BACKLOG = 65_535  # length of the accept queue; the kernel limits it to net.core.somaxconn
SO_ATTACH_FILTER = 26
RECEIVE_BUFFER = 64 * 1024  # receive buffer of a connection in the kernel, and size of one read
SEND_BUFFER = 128 * 1024

log = structlog.get_logger(__name__)

# Classic BPF over the TCP header: load the byte of flags, drop the segment if SYN is set.
_DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def reserve_port(http: HttpSettings) -> socket.socket:
    """Reserve the address of the settings for this deployment; port 0 picks a free one.

    The socket does not listen: it keeps the port while workers restart. Raises Refused if the
    address is in use, also by another livesale, or not allowed.
    """
    family, address = resolve(http.host, http.port)
    # Bind without SO_REUSEPORT first: with it, two deployments would silently share the clients.
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(probe, address, http)
        port = probe.getsockname()[1]
    holder = socket.socket(family, socket.SOCK_STREAM)
    try:
        _share(holder)
        _bind(holder, (address[0], port, *address[2:]), http)
    except BaseException:
        holder.close()
        raise
    return holder


def with_port(settings: Settings, holder: socket.socket) -> Settings:
    """The same settings, with the actual port."""
    http = settings.http.model_copy(update={"port": holder.getsockname()[1]})
    return settings.model_copy(update={"http": http})


def listen(http: HttpSettings) -> socket.socket:
    """A worker's listening socket on the shared port. Raises Refused if it cannot be bound."""
    family, address = resolve(http.host, http.port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _share(sock)
        sock.setblocking(False)
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER
        )  # accepted sockets inherit it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        _bind(sock, address, http)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def refuse_handshakes(sock: socket.socket) -> None:
    """Block new connections on a listening socket; those in its queue can still be accepted.

    Closing a listening socket resets every connection in its queue, with its requests. So the
    kernel drops SYNs first, then we accept the queue, then we close the socket. A client that comes
    in between retries automatically and reaches another worker or gets a refusal.

    A kernel or a sandbox may forbid the filter. Then we shorten the queue to one place: the kernel
    drops SYNs while it is full, so at most one connection can be reset.
    """
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(buffer))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError as error:
        log.info("no filter on the listening socket, a shorter queue instead", problem=str(error))
        sock.listen(0)


def _share(sock: socket.socket) -> None:
    """Let other sockets of this user bind the same port. Raises Refused."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        problem = f"this kernel does not let processes share a port: {error.strerror}"
        cure = "Use Linux 3.9 or newer, in a sandbox that allows SO_REUSEPORT."
        raise Refused("LIVESALE__HTTP__WORKERS", problem, cure) from None


def _bind(sock: socket.socket, address: tuple[Any, ...], http: HttpSettings) -> None:
    try:
        sock.bind(address)
    except OSError as error:
        where = f"{http.host}:{address[1]}"
        if error.errno == errno.EADDRINUSE:
            problem, cure = f"{where} is in use", "Stop what listens there, or use --port 0."
        else:
            problem, cure = f"cannot listen on {where}: {error.strerror}", "Use another."
        raise Refused("LIVESALE__HTTP__PORT", problem, cure) from None
