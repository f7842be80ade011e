"""`livesale …` from a process that has imported it already.

A start imports for more than a second of CPU, and `up` does it twice. A fork takes milliseconds.
How a real start goes is tested where tests start `python -m livesale` themselves.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from typing import IO

from livesale.tasks.pdeathsig import die_with_parent

MOST_BYTES = 100_000
MODULES = ("livesale.cli.nursery", "livesale.processes.processes", "livesale.operations.audit")


class Forked:
    """A command that runs, as `subprocess.Popen` shows one."""

    def __init__(self, pid: int, wire: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._wire = wire

    def poll(self) -> int | None:
        return self._hear(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._hear(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"livesale, pid {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._wire.settimeout(timeout)
            try:
                told = self._wire.recv(MOST_BYTES)
            except (BlockingIOError, TimeoutError):
                return None
            self._wire.close()
            self.returncode = int(told) if told else -signal.SIGKILL  # all of them have ended
        return self.returncode


class Forks:
    """Starts commands. Made in the main thread, for Linux ends it with the thread that made it."""

    def __init__(self) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                preexec_fn=die_with_parent(),
                start_new_session=True,
            )

    def start(
        self, words: tuple[str, ...], env: Mapping[str, str], out: IO[bytes], err: IO[bytes]
    ) -> Forked:
        """Start `livesale <words>`, and return when it runs."""
        asked = json.dumps({"words": words, "env": dict(env), "cwd": os.getcwd()}).encode()
        assert len(asked) < MOST_BYTES
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            files = [theirs.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(self._wire, [asked], files)
        return Forked(int(ours.recv(MOST_BYTES)), ours)


@cache
def forks() -> Forks:
    """That of this process."""
    return Forks()


def run_livesale(
    *words: str, env: Mapping[str, str], timeout: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """Run `livesale <words>` to its end, as `subprocess.run` does."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = forks().start(words, env, out, err)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for file in (out, err):
            file.seek(0)
        said = out.read().decode(), err.read().decode()
    return subprocess.CompletedProcess(["livesale", *words], code, *said)


def serve(wire: socket.socket) -> None:
    """Fork a command for each request, and tell who asked of its end."""
    gc.disable()
    from livesale.cli.nursery import MODULES as THEIRS

    for name in (*THEIRS, *MODULES):
        importlib.import_module(name)
    gc.enable()
    gc.freeze()
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = selectors.DefaultSelector()
    waiting.register(wire, selectors.EVENT_READ)
    waiting.register(woken, selectors.EVENT_READ)
    askers: dict[int, socket.socket] = {}
    while True:
        for key, _ in waiting.select():
            if key.fd == woken:
                os.read(woken, MOST_BYTES)
                _reap(askers)
                continue
            asked, files, _, _ = socket.recv_fds(wire, MOST_BYTES, 3)
            if not asked:
                return
            asker = socket.socket(fileno=files[0])
            pid = _fork(json.loads(asked), files)
            askers[pid] = asker
            for file in files[1:]:
                os.close(file)
            with contextlib.suppress(OSError):
                asker.send(str(pid).encode())


def _reap(askers: dict[int, socket.socket]) -> None:
    while askers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with askers.pop(pid) as asker, contextlib.suppress(OSError):  # nobody may listen any more
            asker.send(str(os.waitstatus_to_exitcode(status)).encode())


def _fork(asked: dict[str, object], files: list[int]) -> int:
    """Fork one command. In the child this does not return."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, file in enumerate(files[1:], 1):
            os.dup2(file, number)
        os.closerange(3, 4_096)
        die_with_parent(parent)()
        code = _live(asked)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(asked: dict[str, object]) -> int:
    from livesale.cli import main
    from livesale.processes import children

    _be(asked["env"])  # type: ignore[arg-type]
    os.chdir(str(asked["cwd"]))
    sys.argv = ["livesale", *asked["words"]]  # type: ignore[misc]
    children.start_nursery = _fork_nursery
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


class ForkedNursery:
    """The nursery of a command that was forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


def _fork_nursery(
    theirs: socket.socket, environment: Mapping[str, str], output: IO[str] | None
) -> ForkedNursery:
    """Fork the nursery. Called once, before there is an event loop; another one is started anew."""
    from livesale.cli import nursery
    from livesale.processes import children

    children.start_nursery = children.execute_nursery
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return ForkedNursery(pid)
    try:
        os.setsid()
        die_with_parent(parent)()
        if output is not None:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.closerange(3, theirs.fileno())
        os.closerange(theirs.fileno() + 1, 4_096)
        _be(environment)
        nursery.main(theirs)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _be(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as end:
        serve(end)
