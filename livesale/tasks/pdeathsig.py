"""Ties a child process to its parent: if the parent dies, even by SIGKILL, so does the child."""

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)  # before any fork, because little is safe in the child


def die_with_parent(parent: int | None = None) -> Callable[[], None]:
    """A `preexec_fn`: the kernel kills the child when the thread that started it ends.

    Linux counts the thread that forked as the parent, so start children from the main thread.
    """
    expected = os.getpid() if parent is None else parent

    def bind() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != expected:  # the parent died before the line above
            os._exit(1)

    return bind
