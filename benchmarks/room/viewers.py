"""Thousands of viewers in one process, cheap enough not to add latency.

Each is a seat, as in load tests. They share one epoll and no objects of asyncio, because they share
a core with Redis. For one viewer in sixteen the kernel says when an event arrived: that shows how
much of the latency is the viewers' own.
"""

import errno
import os
import select
import socket
import struct
import time
from collections import deque
from multiprocessing.connection import Connection as Pipe

from msgspec import Struct

from benchmarks.machine import LOAD_CORE
from benchmarks.room.tally import Tally
from loadtests.history import Watched
from loadtests.seat import Heard, Seat

SO_TIMESTAMPNS = 35  # the kernel's time of arrival; Python has no name for the option
STAMPED = 16  # one viewer in so many uses it
AT_ONCE = 100  # concurrent handshakes, except in a storm
READ_BYTES = 65_536
KNOWN = 512  # size of the cache of parsed chunks: all viewers get the same bytes
AGAIN_S = 0.2
_NS = struct.Struct("qq")


class Grow(Struct, frozen=True):
    """Grow to so many viewers; answered by Up. Every `slow`th obeys Stall."""

    viewers: int
    slow: int = 0


class Storm(Struct, frozen=True):
    """Lose all connections and reconnect at once; answered by Up."""


class Begin(Struct, frozen=True):
    """Reset the tally; not answered."""


class Tell(Struct, frozen=True):
    """Ask for the Tally."""


class Stall(Struct, frozen=True):
    """The slow viewers stop reading, or read on but do not reconnect; not answered."""

    stalled: bool


class Up(Struct, frozen=True):
    """All are connected and have what they missed; the ms that each needed."""

    waited_ms: list[float]


class Viewer(Seat):
    __slots__ = ("began_s", "slow", "sock", "stamped", "waiting")

    def __init__(self, seen: Watched, *, stamped: bool, slow: bool) -> None:
        super().__init__(seen)
        self.stamped = stamped
        self.slow = slow
        self.waiting = True  # until it is up
        self.began_s = 0.0
        self.sock: socket.socket | None = None


class Viewers:
    """The viewers of one process. `serve` ends when the pipe closes."""

    def __init__(self, address: tuple[str, int], room_id: str, pipe: Pipe) -> None:
        self._address = address
        self._host = f"{address[0]}:{address[1]}"
        self._seen = Watched(room_id)  # shared by all
        self._pipe = pipe
        self._epoll = select.epoll()
        self._epoll.register(pipe.fileno(), select.EPOLLIN)
        self._by_fd: dict[int, Viewer] = {}
        self._all: list[Viewer] = []
        self._waiting: deque[Viewer] = deque()
        self._shaking = 0
        self._at_once = AT_ONCE
        self._again: list[tuple[float, Viewer]] = []
        self._missing = 0  # viewers that are not up yet
        self._waited_ms: list[float] = []
        self._tally = Tally()
        self._known: dict[bytes, list[Heard]] = {}

    def serve(self) -> None:
        while True:
            ready = self._epoll.poll(AGAIN_S if self._again else None)
            for fd, event in ready:
                viewer = self._by_fd.get(fd)
                if viewer is not None:
                    self._attend(viewer, event)
                elif fd == self._pipe.fileno() and not self._obey():
                    return
            if self._again and self._again[0][0] <= time.monotonic():
                self._waiting.extend(viewer for _, viewer in self._again)
                self._again = []
            self._connect_more()

    def _obey(self) -> bool:
        try:
            word = self._pipe.recv()
        except EOFError:
            return False
        if isinstance(word, Grow):
            self._grow(word)
        elif isinstance(word, Storm):
            self._storm()
        elif isinstance(word, Begin):
            self._tally = Tally()
            self._seen = Watched(self._seen.room_id)
            for viewer in self._all:
                viewer.seen = self._seen
        elif isinstance(word, Tell):
            self._tally.told, self._tally.anew = self._seen.events, self._seen.anew
            self._tally.wrong = self._seen.wrong
            self._pipe.send(self._tally)
        elif isinstance(word, Stall):
            self._stall(word.stalled)
        return True

    def _grow(self, word: Grow) -> None:
        self._at_once = AT_ONCE
        for number in range(len(self._all), word.viewers):
            slow = bool(word.slow) and number % word.slow == 0
            viewer = Viewer(self._seen, stamped=number % STAMPED == 1, slow=slow)
            self._all.append(viewer)
            self._waiting.append(viewer)
            self._missing += 1
        self._answer_if_up()

    def _storm(self) -> None:
        self._at_once = len(self._all)
        now_s = time.monotonic()
        for viewer in self._all:
            self._let_go(viewer)
            viewer.began_s = now_s
            viewer.waiting = True
            self._missing += 1
        self._waiting.extend(self._all)

    def _stall(self, stalled: bool) -> None:
        for viewer in self._all:
            if viewer.slow and viewer.sock is not None:
                if stalled:
                    self._epoll.unregister(viewer.sock)
                else:
                    self._epoll.register(viewer.sock, select.EPOLLIN)

    def _answer_if_up(self) -> None:
        if not self._missing:
            self._pipe.send(Up(self._waited_ms))
            self._waited_ms = []

    # One connection.

    def _connect_more(self) -> None:
        while self._waiting and self._shaking < self._at_once:
            self._connect(self._waiting.popleft())

    def _connect(self, viewer: Viewer) -> None:
        sock = viewer.sock = socket.socket()
        sock.setblocking(False)
        if viewer.stamped:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        viewer.began_s = viewer.began_s or time.monotonic()
        code = sock.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._shaking += 1
        self._by_fd[sock.fileno()] = viewer
        self._epoll.register(sock, select.EPOLLOUT)

    def _let_go(self, viewer: Viewer) -> None:
        """Close by a reset: no close frame, and no port in TIME_WAIT."""
        sock, viewer.sock = viewer.sock, None
        viewer.leave()
        if sock is not None:
            del self._by_fd[sock.fileno()]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def _lost(self, viewer: Viewer) -> None:
        if not viewer.shaken:
            self._shaking -= 1
        self._let_go(viewer)
        if viewer.slow:
            return
        if not viewer.waiting:
            viewer.waiting = True
            self._missing += 1
        self._again.append((time.monotonic() + AGAIN_S, viewer))

    def _attend(self, viewer: Viewer, event: int) -> None:
        sock = viewer.sock
        assert sock is not None  # noqa: S101  it is registered
        if event & select.EPOLLOUT and not event & select.EPOLLERR:
            sock.send(viewer.connect(self._host))
            self._epoll.modify(sock, select.EPOLLIN)
            return
        arrived_ms = 0.0
        try:
            if viewer.stamped:
                data, notes, _, _ = sock.recvmsg(READ_BYTES, 64)
                if notes:
                    seconds, nanos = _NS.unpack(notes[0][2])
                    arrived_ms = seconds * 1e3 + nanos / 1e6
            else:
                data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._tally.lost += 1
            self._lost(viewer)
            return
        now_ms = time.time() * 1000
        if arrived_ms and not viewer.waiting:
            self._tally.lag.append(now_ms - arrived_ms)
        events = None if viewer.halfway or not viewer.shaken else self._known.get(data)
        if events is None:
            self._read(viewer, data, now_ms)
            return
        for each in events:
            viewer.count(each)
        self._note(viewer, events, now_ms)

    def _read(self, viewer: Viewer, data: bytes, now_ms: float) -> None:
        whole, was_shaken = not viewer.halfway, viewer.shaken
        messages = viewer.receive(data)
        if viewer.shaken and not was_shaken:
            self._shaking -= 1
        events = [heard for heard, _ in messages if heard.numbered]
        self._note(viewer, events, now_ms)
        if viewer.owed and viewer.sock is not None:
            viewer.sock.send(viewer.owed)
            viewer.owed, whole = b"", False
        if viewer.gone is not None:
            if viewer.shaken:
                self._tally.closed[viewer.gone.code] += 1
            else:
                self._tally.refused += 1
            self._lost(viewer)
        elif was_shaken and whole and not viewer.halfway and len(events) == len(messages):
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[data] = events

    def _note(self, viewer: Viewer, events: list[Heard], now_ms: float) -> None:
        if viewer.waiting:
            if viewer.up:
                self._is_up(viewer)
        elif not viewer.slow:  # the latency of a slow viewer is its own fault
            for event in events:
                self._tally.late.setdefault(event.type, []).append(now_ms - event.at_ms)

    def _is_up(self, viewer: Viewer) -> None:
        viewer.waiting = False
        self._waited_ms.append((time.monotonic() - viewer.began_s) * 1000)
        viewer.began_s = 0.0
        self._missing -= 1
        self._answer_if_up()


def watch(address: tuple[str, int], room_id: str, pipe: Pipe) -> None:
    """The main function of a viewer process."""
    os.sched_setaffinity(0, {LOAD_CORE})
    Viewers(address, room_id, pipe).serve()
