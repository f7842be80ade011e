"""Polls `/livez` on new connections while a worker is overloaded."""

import socket
import time
from multiprocessing.connection import Connection

ASK = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
EVERY_S = 0.2
PATIENCE_S = 10.0


def watch_health(port: int, seconds: float, pipe: Connection) -> None:
    """Send the milliseconds of each answer; a missing one counts as PATIENCE_S."""
    found, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
                sock.sendall(ASK)
                good = sock.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            good = False
        took_s = time.monotonic() - began_s
        found.append(1000 * (took_s if good else PATIENCE_S))
        time.sleep(EVERY_S)
    pipe.send(found)
