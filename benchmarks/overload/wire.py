"""Connections under one epoll: cheap enough to send ten times what a worker can answer.

No client library: requests are prepared, and of the answers only the status is counted.
"""

import contextlib
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ").findall
READ_BYTES = 65_536
# We open 2,000 connections a second: faster would measure the kernel's accept queue.
TOGETHER, PAUSE_S = 100, 0.05


class Line:
    """One connection, from a given address of this machine."""

    def __init__(self, port: int, source: str) -> None:
        self.sock = socket.socket()
        self.sock.setblocking(False)
        with contextlib.suppress(OSError):
            self.sock.bind((source, 0))
        with contextlib.suppress(BlockingIOError):
            self.sock.connect(("127.0.0.1", port))
        self.open = True
        self.waiting = 0  # answers that are due
        self.unsent = b""
        self._tail = b""

    def send(self, data: bytes) -> bool:
        """Send what the kernel accepts, queue the rest. False if the connection is dead."""
        self.unsent += data
        try:
            taken = self.sock.send(self.unsent)
        except (BlockingIOError, OSError) as error:
            return isinstance(error, BlockingIOError) or error.errno == 107  # not connected yet
        self.unsent = self.unsent[taken:]
        return True

    def statuses(self) -> list[bytes] | None:
        """The statuses of new answers; None if the connection has ended."""
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        text = self._tail + data
        self._tail = text[-12:] if b"HTTP" in text[-12:] else b""
        return _STATUS(text[: len(text) - len(self._tail)])

    def close(self) -> None:
        self.open = False
        self.sock.close()


class Lines:
    """Many connections. `found` counts the statuses of all answers."""

    def __init__(self, port: int, sources: list[str], count: int) -> None:
        self.found: Counter[bytes] = Counter()
        self.lost = 0
        self._port = port
        self._sources = sources
        self._epoll = select.epoll()
        self._by_fd: dict[int, Line] = {}
        self.all: list[Line] = []
        for number in range(count):
            self.all.append(self._open(number))
            if number % TOGETHER == TOGETHER - 1:
                time.sleep(PAUSE_S)

    def _open(self, number: int) -> Line:
        line = Line(self._port, self._sources[number % len(self._sources)])
        self._by_fd[line.sock.fileno()] = line
        self._epoll.register(line.sock, select.EPOLLIN)
        return line

    def reopen(self, number: int) -> Line:
        """Replace a connection that has ended."""
        self.all[number] = self._open(number)
        return self.all[number]

    def poll(self, seconds: float) -> Iterator[tuple[Line, int]]:
        """Read new answers: each line with their number; -1 if it has ended."""
        for fd, _ in self._epoll.poll(max(0.0, seconds)):
            line = self._by_fd[fd]
            statuses = line.statuses()
            if statuses is None:
                self.lost += 1
                del self._by_fd[fd]
                line.close()
                yield line, -1
                continue
            self.found.update(statuses)
            line.waiting -= len(statuses)
            yield line, len(statuses)

    def close(self) -> None:
        for line in self.all:
            if line.open:
                line.close()
        self._epoll.close()


class Offered:
    """The result of a flood."""

    def __init__(self) -> None:
        self.due = 0
        self.sent = 0
        self.found: Counter[bytes] = Counter()
        self.good_by_s: list[int] = []


def flood(
    lines: Lines,
    ask: Callable[[], bytes],
    rate: float,
    seconds: float,
    *,
    depth: int,
    tick_s: float = 0.005,
) -> Offered:
    """Offer `rate` requests a second, at most `depth` unanswered on each line.

    If no line is free, the request is dropped.
    """
    offered, started_s = Offered(), time.monotonic()
    free = [line for line in lines.all if line.open]
    next_second, good = 1.0, 0
    while (now_s := time.monotonic() - started_s) < seconds:
        due = int(rate * now_s) - offered.due
        offered.due += due
        while due and free:
            line = free.pop()
            take = min(due, depth - line.waiting)
            if take <= 0 or not line.open:
                continue
            line.waiting += take
            offered.sent += take
            due -= take
            line.send(b"".join(ask() for _ in range(take)))
            if line.waiting < depth:
                free.append(line)
        for line, answers in lines.poll(tick_s):
            if answers < 0:
                free.append(lines.reopen(lines.all.index(line)))
            elif answers:
                if line.unsent:
                    line.send(b"")
                free.append(line)
        if now_s >= next_second:
            before, good = good, lines.found[b"201"]
            offered.good_by_s.append(good - before)
            next_second += 1.0
    offered.found = lines.found
    return offered
