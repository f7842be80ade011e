"""What SIGTERM, SIGINT and SIGHUP do to a service, and to a command that somebody waits for."""

import asyncio
import signal
from collections.abc import Callable, Iterable

import structlog

STOPPED_AT_ONCE = 130  # exit code after a second signal: never 1, which is a verdict of an audit

log = structlog.get_logger(__name__)


def watch_signals(stop: asyncio.Event, at_once: Callable[[], None]) -> None:
    """Of a service: set `stop` at the first signal, call `at_once` at each further one."""

    def handle(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("stopping at once", signal=number.name)
            at_once()
        else:
            log.info("stopping", signal=number.name)
            stop.set()

    _handle((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), handle)


def end_as_ctrl_c_does() -> None:
    """Of a command: SIGTERM and SIGHUP cancel the running task, as asyncio.run has SIGINT do."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  called from one
    _handle((signal.SIGTERM, signal.SIGHUP), lambda _: task.cancel())


def _handle(numbers: Iterable[signal.Signals], handle: Callable[[signal.Signals], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in numbers:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # under nohup a hang-up is to be ignored
        loop.add_signal_handler(number, handle, number)
