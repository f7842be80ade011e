"""Sends each request when it is due, even if earlier answers are late.

Nothing slows the schedule down. A request that finds every connection busy waits in line, and its
latency counts from its due time, so a stall of the server counts for every request that waited.
Requests without an answer in time are counted as timed out.
"""

import asyncio
import math
import os
import ssl
import time
from collections import deque
from collections.abc import Iterator

from loadtests.client import Connection
from loadtests.open_loop.requests import Requests
from loadtests.open_loop.result import Tally
from loadtests.target import Target, TargetAway

TICK_S = 0.001  # as fine as the timers of the loop are
SWEEP_S = 0.02
CONNECT_S = 5.0
CONNECT_AT_ONCE = 64
RECONNECT_S = 0.1


class Driver:
    """One process's share of the load. Call `connect`, then `drive` once.

    Unless it is `patient`, requests still in line when the last one is due are not sent.
    """

    def __init__(
        self,
        target: Target,
        requests: Requests,
        arrivals: Iterator[float],
        connections: int,
        timeout_s: float,
        *,
        patient: bool = True,
    ) -> None:
        self.tally = Tally()
        self._target = target
        self._requests = requests
        self._arrivals = arrivals
        self._size = connections
        self._timeout_s = timeout_s
        self._patient = patient
        self._start_s = 0.0
        self._next_s = 0.0  # until `drive`: who is lost before does not end what has not begun
        self._sent = 0
        self._open = 0  # due, not answered and not given up
        self._line: deque[float] = deque()
        self._free: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._tls = ssl.create_default_context() if target.scheme == "https" else None

    async def connect(self) -> None:
        """Open every connection. Raises TargetAway with one line if that fails."""
        for first in range(0, self._size, CONNECT_AT_ONCE):
            count = min(CONNECT_AT_ONCE, self._size - first)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.gather(*[self._connect() for _ in range(count)])
            except TimeoutError:
                raise TargetAway(
                    f"{self._target.url} accepts no connection within {CONNECT_S:g} s."
                ) from None
            except OSError as error:
                # asyncio replaces the system's text for this error.
                reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
                raise TargetAway(f"{self._target.url} cannot be reached: {reason}.") from None

    async def drive(self, start_s: float) -> Tally:
        """Send everything from `start_s` (monotonic clock) on, and wait for the answers."""
        self._start_s = start_s
        self._advance()
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, start_s - time.monotonic()), self._tick)
        sweeper = asyncio.create_task(self._sweep())
        await self._over.wait()
        sweeper.cancel()
        for task in self._connecting:
            task.cancel()
        for connection in list(self._all):
            connection.abort()
        self.tally.elapsed_s = time.monotonic() - start_s
        return self.tally

    def on_answer(self, connection: Connection, due_s: float, status: int, body: bytes) -> None:
        now_s = time.monotonic()
        self.tally.answered(status, body, now_s - due_s)
        self._open -= 1
        if not connection.usable:
            return  # on_lost follows
        if self._line:
            self._send(connection, self._line.popleft(), now_s)
        else:
            self._free.append(connection)
            self._end_if_done()

    def on_lost(self, connection: Connection, due_s: float | None) -> None:
        self._all.discard(connection)
        if due_s is not None:
            self._give_up("lost")
        self._end_if_done()
        if not self._over.is_set():
            task = asyncio.get_running_loop().create_task(self._reconnect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _tick(self) -> None:
        """Send all requests that are due."""
        now_s = time.monotonic()
        while self._next_s <= now_s:
            due_s = self._next_s
            self._advance()
            self.tally.due += 1
            self._open += 1
            connection = self._take_free()
            if connection is None:
                self._line.append(due_s)
            else:
                self._send(connection, due_s, now_s)
        if self._next_s < math.inf:
            wait_s = max(TICK_S, self._next_s - now_s)
            asyncio.get_running_loop().call_later(wait_s, self._tick)
            return
        if not self._patient:
            self._clear_line(math.inf)
        self._end_if_done()

    def _advance(self) -> None:
        offset_s = next(self._arrivals, None)
        self._next_s = math.inf if offset_s is None else self._start_s + offset_s

    def _take_free(self) -> Connection | None:
        while self._free:
            connection = self._free.popleft()  # round robin: use every connection
            if connection.usable:
                return connection
        return None

    def _send(self, connection: Connection, due_s: float, now_s: float) -> None:
        self.tally.sent(now_s - due_s)
        connection.send(due_s, self._requests(self._sent))
        self._sent += 1

    def _give_up(self, why: str) -> None:
        self.tally.never[why] = self.tally.never.get(why, 0) + 1
        self._open -= 1

    def _end_if_done(self) -> None:
        if self._next_s == math.inf and not self._open:
            self._over.set()

    async def _sweep(self) -> None:
        """Give up requests that waited too long."""
        while True:
            await asyncio.sleep(SWEEP_S)
            before_s = time.monotonic() - self._timeout_s
            for connection in list(self._all):
                if connection.due_s is not None and connection.due_s < before_s:
                    connection.due_s = None
                    self._give_up("timed out")
                    connection.abort()
            self._clear_line(before_s)
            self._end_if_done()

    def _clear_line(self, before_s: float) -> None:
        """Give up unsent requests that were due before then."""
        while self._line and self._line[0] < before_s:
            self._line.popleft()
            self._give_up("not sent")

    async def _connect(self) -> None:
        host, port = self._target.host, self._target.port
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self), host, port, ssl=self._tls
        )
        self._all.add(connection)
        if self._line:
            self._send(connection, self._line.popleft(), time.monotonic())
        else:
            self._free.append(connection)

    async def _reconnect(self) -> None:
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._connect()
            except OSError:  # a timeout is one
                await asyncio.sleep(RECONNECT_S)
            else:
                return
