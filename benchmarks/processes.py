"""The servers that are measured, as child processes on a core of their own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.machine import SERVER_CORE, pinned
from livesale.parent import die_with_parent

START_S = 60.0


@contextmanager
def server(
    port: int, module: str, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """`python -m module …` that listens on the port, on the core of what is measured; its pid."""
    with pinned(SERVER_CORE):
        process = subprocess.Popen(  # noqa: S603  ours
            [sys.executable, "-m", module, *arguments],
            env=os.environ | dict(env or {}),
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it does not start: {process.args!r}") from None
            time.sleep(0.02)
