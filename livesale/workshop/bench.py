"""What runs in the process of its own: a module whose main is `serve(work)`.

It starts for each file, so it imports little: nothing of the service's tasks, stores or web.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

from livesale.errors import LivesaleError

NICE = 10
MEBIBYTE = 1 << 20
REFUSED = 3  # the exit code of work that refuses its file; stdout has the reason
_PR_SET_PDEATHSIG = 1


class WorkRefused(LivesaleError):
    """The work looked at the file and refuses it. `code` says why, `detail` more of it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def serve(work: Callable[[bytes, Sequence[str]], bytes]) -> None:
    """The main of a module that a Workshop runs: stdin to stdout, under its bounds."""
    memory_mib, cpu_s, parent = (int(text) for text in sys.argv[1:4])
    _confine(memory_mib, cpu_s, parent)
    try:
        answer, code = work(sys.stdin.buffer.read(), sys.argv[4:]), 0
    except WorkRefused as refused:
        answer, code = f"{refused.code}\n{refused.detail}".encode(), REFUSED
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    os._exit(code)  # nothing is left to be done


def _confine(memory_mib: int, cpu_s: int, parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(NICE)
    size = memory_mib * MEBIBYTE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to its pipe only
