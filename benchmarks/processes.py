"""Starts the measured servers as child processes on their own core."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned
from livesale.settings import Settings, as_environment
from livesale.tasks.pdeathsig import die_with_parent

START_S = 60.0


class Server:
    """A child process that listens on a port."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pid = process.pid
        self._port = port
        self._process = process

    def wait(self) -> None:
        """Wait until it accepts connections. Raises RuntimeError if it does not."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port)):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"it does not start: {self._process.args!r}") from None
                time.sleep(0.02)


@contextmanager
def server(
    module: str, *arguments: str, port: int, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run `python -m module …`, which listens on the port, on the measured core."""
    with pinned(SERVER_CORE):
        process = subprocess.Popen(  # noqa: S603  ours
            [sys.executable, "-m", module, *arguments],
            env=os.environ | dict(env or {}),
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
    try:
        yield Server(port, process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def helper(role: str, settings: Settings, *, nice: int = 0) -> Iterator[int]:
    """Run `livesale ROLE` on the core of the load, with this niceness; its pid."""
    with pinned(LOAD_CORE):
        process = subprocess.Popen(  # noqa: S603  ours
            [sys.executable, "-m", "livesale", role],
            env=os.environ | as_environment(settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
    os.setpriority(os.PRIO_PROCESS, process.pid, nice)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
