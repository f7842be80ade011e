"""The supervisor's side of the nursery: children as awaitable objects."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Protocol

from livesale.processes.notify import NOTIFY_SOCKET
from livesale.settings import PREFIX, Settings, as_environment
from livesale.tasks import errand
from livesale.tasks.pdeathsig import die_with_parent

MAX_LINE_BYTES = 65_536


class Process:
    """A child of the nursery. `returncode` is None while it lives; negative: ended by a signal."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        # By a descriptor, because another process may have the pid by the time of a signal.
        self._fd = -1
        self._by_pid = False
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            pass
        except OSError:  # an old kernel, or a sandbox without the call
            self._by_pid = True

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None  # noqa: S101  set by end()
        return self.returncode

    def send(self, number: signal.Signals) -> None:
        """Signal it, unless it is gone."""
        if self._fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)
        elif self._by_pid and self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, code: int) -> None:
        """The nursery reported its end."""
        self.returncode = code
        self._ended.set()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Server(Protocol):
    """The process of a nursery."""

    def kill(self) -> None: ...

    def wait(self) -> int: ...


def execute_nursery(
    theirs: socket.socket, environment: Mapping[str, str], output: IO[str] | None
) -> Server:
    """A nursery that listens on `theirs`."""
    return subprocess.Popen(  # noqa: S603  a fork takes a millisecond
        [sys.executable, "-m", "livesale.cli.nursery", str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        pass_fds=[theirs.fileno()],
        preexec_fn=die_with_parent(),
        start_new_session=True,  # only the supervisor handles Ctrl-C: it knows the order
    )


# How a nursery is started. Tests that have imported everything fork theirs.
start_nursery: Callable[[socket.socket, Mapping[str, str], IO[str] | None], Server]
start_nursery = execute_nursery


class Nursery:
    """Starts processes with these settings. Call `launch()` early: its imports take a second.

    Settings are passed in the environment, never on a command line, where anybody could read the
    secrets. The children's output goes to `output`, by default to that of this process.
    """

    def __init__(self, settings: Settings, output: IO[str] | None = None) -> None:
        kept = {key: value for key, value in os.environ.items() if not _is_ours(key)}
        self._environment = kept | as_environment(settings)
        self._output = output
        self._server: Server | None = None
        self._wire: socket.socket | None = None
        self._listener: asyncio.Task[None] | None = None
        self._asked: deque[asyncio.Future[Process]] = deque()
        self._alive: dict[int, Process] = {}

    def launch(self) -> None:
        """Start the nursery, from the main thread: Linux ties it to the thread that started it."""
        self._wire, theirs = socket.socketpair()
        self._wire.setblocking(False)
        with theirs:
            self._server = start_nursery(theirs, self._environment, self._output)

    async def spawn(self, command: Sequence[str]) -> Process:
        """Start `livesale <command>`. Raises ConnectionError if the nursery dies meanwhile."""
        if self._listener is None or self._listener.done():
            self._listen_again()
        assert self._wire is not None  # noqa: S101  launched
        loop = asyncio.get_running_loop()
        born: asyncio.Future[Process] = loop.create_future()
        self._asked.append(born)
        await loop.sock_sendall(self._wire, json.dumps(list(command)).encode() + b"\n")
        return await born

    def close(self) -> None:
        """End the nursery and all its children."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _listen_again(self) -> None:
        if self._listener is not None or self._server is None:  # it died, or was never launched
            self.close()
            self.launch()
        assert self._wire is not None  # noqa: S101  launched
        self._listener = errand("nursery", self._listen(self._wire))

    async def _listen(self, wire: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        heard = b""
        try:
            with contextlib.suppress(ConnectionError):
                while data := await loop.sock_recv(wire, MAX_LINE_BYTES):
                    *lines, heard = (heard + data).split(b"\n")
                    for line in lines:
                        self._hear(json.loads(line))
        except Exception:
            # It is unknown which children live: end all of them; they will be restarted.
            if self._server is not None:
                self._server.kill()
            self._end_all()
            raise
        self._end_all()

    def _end_all(self) -> None:
        """The nursery has ended, and so have all its children."""
        for process in self._alive.values():
            process.end(-signal.SIGKILL)
        self._alive.clear()
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(ConnectionError("the nursery died"))
        self._asked.clear()

    def _hear(self, news: dict[str, int]) -> None:
        if "born" in news:
            process = self._alive[news["born"]] = Process(news["born"])
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(process)
        else:
            self._alive.pop(news["dead"]).end(news["code"])


def _is_ours(variable: str) -> bool:
    """The settings, without systemd's socket: only the supervisor uses it."""
    return variable.startswith(PREFIX) or variable == NOTIFY_SOCKET
