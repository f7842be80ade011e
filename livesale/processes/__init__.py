"""Processes: API workers, the supervisor of all roles, graceful stop."""

import gc
from collections.abc import Collection
from contextlib import closing

from livesale.settings import Settings

__all__ = ["run"]


def run(settings: Settings, roles: Collection[str], workers: int | None = None) -> int:
    """Run API workers, and with them those of `writer` and `keeper` that `roles` names.

    Returns at SIGTERM or SIGINT: the exit code, 0 after a clean stop. Raises Refused when the port
    is taken or a store contradicts a promise, StartFailed when a process does not come up.
    """
    from livesale.processes.children import Nursery
    from livesale.processes.sockets import reserve_port, with_port

    with reserve_port(settings.http) as holder:
        settings = with_port(settings, holder)
        with closing(Nursery(settings)) as nursery:
            nursery.launch()  # it and this process import at the same time
            gc.disable()  # what is imported stays: looking for garbage in it costs a tenth more
            from livesale.processes.processes import run_processes

            gc.enable()
            return run_processes(settings, roles, workers or settings.http.workers, nursery)
