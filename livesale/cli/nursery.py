"""A process with everything imported, which forks the children of the supervisor from itself.

Importing aiohttp, SQLAlchemy and the rest costs more than a second of CPU: once here, not once in
each child. So a module that holds what must be one process's own has to renew it after a fork, as
`livesale.web.traffic` does. The nursery has one thread and no event loop, so forking it is safe.
It dies with the supervisor, and the children die with it. Signals that are sent to everybody are
the supervisor's to handle: nursery and children ignore them.

    supervisor → nursery   ["api-worker", "--index", "0"]    one JSON line a child
    nursery → supervisor   {"born": pid}                     in the order of the requests
                           {"dead": pid, "code": exit code}  negative: ended by that signal
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback

from livesale.processes.signals import leave_to_supervisor
from livesale.tasks.pdeathsig import die_with_parent

# What the children run, and what SQLAlchemy would import in each of them at its first connection.
MODULES = (
    "livesale.cli.app",
    "livesale.cli.faults",
    "livesale.processes.roles",
    "livesale.processes.worker",
    "aiosqlite",
    "sqlalchemy.dialects.sqlite",
)
MAX_LINE_BYTES = 65_536
CRASHED = 70  # as livesale.cli.faults says; imported here it would slow the start


def main(wire: socket.socket) -> None:
    """Fork what is asked for and say what ends, until the supervisor closes its end."""
    leave_to_supervisor()
    gc.disable()  # what is imported stays: looking for garbage in it costs a tenth more
    for name in MODULES:
        importlib.import_module(name)
    gc.enable()
    gc.freeze()  # what is shared stays shared: no collection touches it in the children
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _do_nothing)  # a handler, so that the descriptor is written to
    waiting = selectors.DefaultSelector()
    waiting.register(wire, selectors.EVENT_READ)
    waiting.register(woken, selectors.EVENT_READ)
    asked = bytearray()
    children: set[int] = set()
    while True:
        for key, _ in waiting.select():
            if key.fd == woken:
                os.read(woken, MAX_LINE_BYTES)
                _reap(children, wire)
            else:
                data = wire.recv(MAX_LINE_BYTES)
                if not data:
                    _end(children)
                    return
                asked += data
        while b"\n" in asked:
            line, _, rest = bytes(asked).partition(b"\n")
            asked = bytearray(rest)
            pid = _fork(json.loads(line), wire, waiting)
            children.add(pid)
            _say(wire, {"born": pid})


def _reap(children: set[int], wire: socket.socket) -> None:
    """Take in all that have ended, and say which of ours did."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in children:
            children.remove(pid)
            _say(wire, {"dead": pid, "code": os.waitstatus_to_exitcode(status)})


def _end(children: set[int]) -> None:
    """End them with us, also where the kernel does not do it by itself."""
    for pid in children:
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own


def _do_nothing(_number: int, _frame: object) -> None:
    pass


def _fork(command: list[str], wire: socket.socket, waiting: selectors.BaseSelector) -> int:
    nursery = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = CRASHED
    try:
        die_with_parent(nursery)()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        wire.close()
        waiting.close()
        code = _live(command)
    except BaseException:  # nothing of the nursery may run on in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(command: list[str]) -> int:
    """What `livesale …` does; its exit code."""
    from livesale.cli import main as livesale

    sys.argv = ["livesale", *command]
    try:
        livesale()
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code
        return 0 if end.code is None else CRASHED
    return 0


def _say(wire: socket.socket, what: dict[str, int]) -> None:
    wire.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as end:
        main(end)
