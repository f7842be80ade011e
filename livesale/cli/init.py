"""livesale as process 1 of a container: a small parent that passes signals on and reaps orphans.

Linux gives every process whose parent is gone to process 1, where it stays a zombie until it is
waited for. And a signal that process 1 has no handler for does nothing. So the command runs in a
child, and process 1 does these two things only.
"""

import os
import signal

# All that somebody may send. SIGCHLD is our own; what a fault of this process raises ends it.
_PASSED_ON = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
}
_WATCHED = {*_PASSED_ON, signal.SIGCHLD}


def fork_from_init() -> None:
    """Return in a child; the calling process stays its parent, and ends with its exit code.

    Before anything else: the parent keeps what was imported until now.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        info = signal.sigwaitinfo(_WATCHED)
        if info.si_signo == signal.SIGCHLD:
            code = _reap(child)
            if code is not None:
                os._exit(code)
        elif info.si_code <= 0:  # a process sent it; what the terminal sends, the child has too
            os.kill(child, info.si_signo)


def _reap(child: int) -> int | None:
    """Wait for all that have ended; the exit code of `child` where it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended
