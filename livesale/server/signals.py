"""SIGTERM, SIGINT, SIGHUP: the first asks a process to stop well, the second to stop at once."""

import asyncio
import signal
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


def watch_signals(stop: asyncio.Event, at_once: Callable[[], None]) -> None:
    """Set `stop` at the first signal, call `at_once` at each further one."""

    def handle(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("stopping at once", signal=number.name)
            at_once()
        else:
            log.info("stopping", signal=number.name)
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # under nohup a hang-up is to be ignored
        loop.add_signal_handler(number, handle, number)
