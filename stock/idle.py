"""Connections that die while they are idle, in every pool of the service.

A server, a proxy or a NAT may end an idle connection in three ways:

- It closes or resets it. The client's kernel knows, so looking at the socket is enough.
- It forgets it: later packets vanish, and the client's kernel still believes in the connection. TCP
  keepalive makes the kernel ask the other side, and keeps a NAT from forgetting. But a proxy that
  forgets may still answer keepalive, so before use after `QUIET_S` the other side must answer a
  ping within `PING_S`. HTTP has no ping: there, quiet connections are replaced.

A connection that was used a moment ago is not checked: the hot path pays nothing.
"""

import socket
from typing import Any

QUIET_S = 2.0  # without use, after which a connection must prove that it lives
LISTEN_S = 5.0  # without a message, after which a subscription must prove it
PING_S = 0.5  # for the answer; a connection that needs longer is replaced

# Silence for 15 s makes the kernel ask, every 5 s, and three lost questions end the connection.
# What was sent and is not confirmed for 30 s ends it too: keepalive says nothing of that.
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 15,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 30_000,
}


def keep_alive(sock: Any) -> None:
    """Let the kernel look after a TCP socket. Others are left as they are."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
