"""Ports of 127.0.0.1 for servers that are started late, or stopped and started again."""

import random
import socket

# Below the ports that Linux gives to whoever asks for any (net.ipv4.ip_local_port_range): while
# such a server is down, no other server and no connection of a test beside it gets its port.
FIRST, LAST = 20_000, 32_000
_random = random.SystemRandom()


def free_port() -> int:
    """A port where nobody listens now."""
    while True:
        port = _random.randrange(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
