"""A process with everything imported, which forks the supervisor's children.

Importing aiohttp, SQLAlchemy and the rest costs more than a second of CPU: once here instead of
once in each child. So a module with state of one process must renew it after a fork, as
`livesale.web.traffic` does. The nursery has one thread and no event loop, so forking it is safe.
It dies with the supervisor, and the children die with it. Only the supervisor handles signals to
the process group: nursery and children ignore them.

    supervisor → nursery   ["api-worker", "--index", "0"]    one JSON line per child
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

# Modules of the children, and those that SQLAlchemy imports at the first connection.
MODULES = (
    "livesale.cli.app",
    "livesale.cli.faults",
    "livesale.processes.roles",
    "livesale.processes.worker",
    "aiosqlite",
    "sqlalchemy.dialects.sqlite",
)
MAX_LINE_BYTES = 65_536
CRASHED = 70  # the same as in livesale.cli.faults, whose import would slow the start


def main(wire: socket.socket) -> None:
    """Fork children on request and report their ends, until the supervisor closes the wire."""
    leave_to_supervisor()
    gc.disable()  # imports make no garbage: collecting would cost a tenth more
    for name in MODULES:
        importlib.import_module(name)
    gc.enable()
    gc.freeze()  # keeps memory shared: collections in the children do not touch it
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _do_nothing)  # with a handler, Python writes to the descriptor
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
    """Reap all ended processes, and report our children."""
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
    """Kill all children, also if the kernel does not do it."""
    for pid in children:
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so no other process has the pid


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
    except BaseException:  # the nursery's code must not continue in the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(command: list[str]) -> int:
    """Run `livesale …`; returns its exit code."""
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
