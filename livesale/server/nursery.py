"""A process with everything imported, which forks the children of the supervisor from itself.

Importing aiohttp, SQLAlchemy and the rest costs more than a second of CPU: once here, not once in
each child. So a module that holds what must be one process's own has to renew it after a fork, as
`livesale.http.traffic` does. The nursery has one thread and no event loop, so forking it is safe.
It dies with the supervisor, and the children die with it.

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

from livesale.parent import die_with_parent

# What the children run, and what SQLAlchemy would import in each of them at its first connection.
MODULES = (
    "livesale.cli.app",
    "livesale.cli.faults",
    "livesale.server.roles",
    "livesale.server.worker",
    "aiosqlite",
    "sqlalchemy.dialects.sqlite",
)
MAX_LINE_BYTES = 65_536
CRASHED = 70  # as livesale.cli.faults says; imported here it would slow the start


def main(wire: socket.socket) -> None:
    """Fork what is asked for and say what ends, until the supervisor closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # what is imported stays: looking for garbage in it costs a tenth more
    for name in MODULES:
        importlib.import_module(name)
    gc.enable()
    gc.freeze()  # what is shared stays shared: no collection touches it in the children
    waiting = selectors.DefaultSelector()
    waiting.register(wire, selectors.EVENT_READ, None)
    asked = bytearray()
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                data = wire.recv(MAX_LINE_BYTES)
                if not data:
                    return
                asked += data
            else:
                waiting.unregister(key.fileobj)
                os.close(key.fd)
                _, status = os.waitpid(key.data, 0)
                _say(wire, {"dead": key.data, "code": os.waitstatus_to_exitcode(status)})
        while b"\n" in asked:
            line, _, rest = bytes(asked).partition(b"\n")
            asked = bytearray(rest)
            pid = _fork(json.loads(line), wire, waiting)
            _say(wire, {"born": pid})
            waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)


def _fork(command: list[str], wire: socket.socket, waiting: selectors.BaseSelector) -> int:
    nursery = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = CRASHED
    try:
        die_with_parent(nursery)()
        wire.close()
        waiting.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
