"""Handlers of SIGTERM, SIGINT and SIGHUP for services and for commands.

systemd sends SIGTERM to every process of a service; a terminal sends SIGINT and SIGHUP to every
process of its foreground group. But processes must stop in an order that only the supervisor knows.
So its children ignore these three signals, and stop at `STOP`, which only the supervisor sends.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable

import structlog

STOP = signal.SIGUSR1  # from the supervisor to one child
FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SAME_S = 0.25  # one signal may arrive twice: to the group, and forwarded
STOPPED_AT_ONCE = 130  # exit code after a second signal: never 1, which means a failed check

log = structlog.get_logger(__name__)


def watch_signals(stop: asyncio.Event, at_once: Callable[[], None]) -> None:
    """For a service: set `stop` at the first signal, call `at_once` at each further one."""
    since_s = 0.0

    def handle(number: signal.Signals) -> None:
        nonlocal since_s
        if stop.is_set():
            if time.monotonic() - since_s < SAME_S:
                return
            log.warning("stopping at once", signal=number.name)
            at_once()
        else:
            log.info("stopping", signal=number.name)
            since_s = time.monotonic()
            stop.set()

    _handle((STOP,) if _is_left_to_supervisor() else FROM_OUTSIDE, handle)


def leave_to_supervisor() -> None:
    """Ignore signals to the process group, in this process and its forks."""
    for number in FROM_OUTSIDE:
        signal.signal(number, signal.SIG_IGN)


def _is_left_to_supervisor() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def end_as_ctrl_c_does() -> None:
    """For a command: SIGTERM and SIGHUP cancel the running task, like SIGINT in asyncio.run."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a task calls it
    since_s = -SAME_S

    def handle(_number: signal.Signals) -> None:
        nonlocal since_s
        if time.monotonic() - since_s >= SAME_S:  # else a repeat: it is already stopping
            since_s = time.monotonic()
            task.cancel()

    _handle((signal.SIGTERM, signal.SIGHUP), handle)


def _handle(numbers: Iterable[signal.Signals], handle: Callable[[signal.Signals], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in numbers:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup means: ignore SIGHUP
        loop.add_signal_handler(number, handle, number)
