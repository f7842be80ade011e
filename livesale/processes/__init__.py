"""Processes: API workers, the supervisor of all roles, graceful stop."""

import gc
from collections.abc import Collection
from contextlib import closing

from livesale.settings import Settings

__all__ = ["run"]


def run(settings: Settings, roles: Collection[str], workers: int | None = None) -> int:
    """Run API workers, and `writer` and `keeper` if `roles` has them.

    Returns the exit code at SIGTERM or SIGINT, 0 after a clean stop. Raises Refused if the port is
    taken or a store would break a promise, StartFailed if a process does not start.
    """
    from livesale.processes.children import Nursery
    from livesale.processes.sockets import reserve_port, with_port

    with reserve_port(settings.http) as holder:
        settings = with_port(settings, holder)
        with closing(Nursery(settings)) as nursery:
            nursery.launch()  # it imports at the same time as this process
            gc.disable()  # imports make no garbage: collecting would cost a tenth more
            from livesale.processes.processes import run_processes

            gc.enable()
            return run_processes(settings, roles, workers or settings.http.workers, nursery)
