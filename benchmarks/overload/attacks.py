"""Attacks on a worker, each from one address."""

import os
import time
from collections.abc import Callable

from benchmarks.overload.wire import Lines

STRANGER = "127.0.66.1"
PONG = b"\x8a\x80\x00\x00\x00\x00"
TICK_S = 0.02

_ASK = b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n"
_SLOW = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\nX: "
_TORN = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
_LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"


def _keep_on(port: int, count: int, until_s: float, first: bytes, more: bytes) -> None:
    """Open connections, send `first`, then more and more; reconnect when cut off."""
    lines = Lines(port, [STRANGER], count)
    for line in lines.all:
        line.send(first)
    while time.monotonic() < until_s:
        for line, answers in lines.poll(TICK_S):
            if answers < 0:
                lines.reopen(lines.all.index(line)).send(first)
        for line in lines.all:
            if more and line.open and len(line.unsent) < len(more):
                line.send(more)
    lines.close()


def refusals(port: int, until_s: float, _path: bytes) -> None:
    """200 connections send requests without pause, and all get `slow_down`."""
    _keep_on(port, 200, until_s, b"", _ASK * 100)


def silent(port: int, until_s: float, _path: bytes) -> None:
    """A thousand connections send nothing."""
    _keep_on(port, 1_000, until_s, b"", b"")


def slow(port: int, until_s: float, _path: bytes) -> None:
    """500 connections send a head byte by byte."""
    _keep_on(port, 500, until_s, _SLOW, b"y")


def pongs(port: int, until_s: float, path: bytes) -> None:
    """50 anonymous viewers send unsolicited pongs."""
    head = (
        b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" % path
    )
    _keep_on(port, 50, until_s, head, PONG * 2_000)


def torn(port: int, until_s: float, _path: bytes) -> None:
    """20 connections send a body whose last line never ends."""
    _keep_on(port, 20, until_s, _TORN, b"y" * 60_000)


def unread(port: int, until_s: float, _path: bytes) -> None:
    """A thousand connections request a large document, and do not read it."""
    lines = Lines(port, [STRANGER], 1_000)
    for line in lines.all:
        line.send(_LARGE * 4)
    while time.monotonic() < until_s:
        time.sleep(TICK_S)
        for line in lines.all:
            line.send(b"")
    lines.close()


ATTACKS: dict[str, Callable[[int, float, bytes], None]] = {
    attack.__name__: attack for attack in (refusals, pongs, silent, slow, torn, unread)
}


def attack_alone(name: str, port: int, seconds: float, path: bytes) -> None:
    """Run an attack in its own process, at a lower priority than the polite buyers on its core."""
    os.nice(5)
    ATTACKS[name](port, time.monotonic() + seconds, path)
