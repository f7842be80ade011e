"""livesale as process 1 of a container: a small parent that forwards signals and reaps orphans.

In Linux, process 1 becomes the parent of every orphan, which stays a zombie until it is reaped. And
process 1 ignores a signal without a handler. So the command runs in a child, and process 1 does
only these two things.
"""

import os
import signal

# All signals that others may send. SIGCHLD is ours; signals of our own faults end this process.
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
    """Fork, and return in the child; the parent ends with the child's exit code.

    Call it first: the parent keeps all modules that are imported by then.
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
        elif (
            info.si_code <= 0
        ):  # only if a process sent it: the child also gets signals of the terminal
            os.kill(child, info.si_signo)


def _reap(child: int) -> int | None:
    """Reap all ended processes; returns the exit code of `child` if it is one of them."""
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
