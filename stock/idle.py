"""Connections that die while they are idle, in every pool of the service.

A server, a proxy or a NAT may end an idle connection in three ways:

- It closes or resets it. The client's kernel knows this, so checking the socket is enough.
- It forgets it: later packets vanish, and for the client's kernel the connection is still open. TCP
  keepalive makes the kernel probe the other side, and keeps a NAT entry alive. But a proxy that
  forgets may still answer keepalive, so before use after `QUIET_S` the other side must answer a
  ping within `PING_S`. HTTP has no ping: there we replace quiet connections.

A recently used connection is not checked: the hot path pays nothing.
"""

import socket
from typing import Any

QUIET_S = 2.0  # after this time without use, a connection must answer a ping
LISTEN_S = 5.0  # after this time without a message, a subscription must answer a ping
PING_S = 0.5  # timeout of the ping; a slower connection is replaced

# After 15 s of silence the kernel probes every 5 s, and three lost probes end the connection.
# Unacknowledged data ends it after 30 s: keepalive does not cover that.
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 15,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 30_000,
}


def keep_alive(sock: Any) -> None:
    """Set keepalive on a TCP socket. Leaves other sockets unchanged."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
