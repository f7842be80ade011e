"""All processes of one deployment on this machine: `livesale serve` and `livesale up`."""

import asyncio
from collections.abc import Collection

import structlog

from livesale.deployment.opening import open_deployment
from livesale.ledger.catch_up import wait_until_caught_up
from livesale.processes.banner import age_s, banner
from livesale.processes.children import Nursery
from livesale.processes.notify import READY, STOPPING, notify
from livesale.processes.signals import STOPPED_AT_ONCE, watch_signals
from livesale.processes.supervisor import STOP_MARGIN_S, Child, Supervisor
from livesale.processes.way_in import make_way_in
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.telemetry import logs

CATCH_UP_S = 10.0
WRITER_STOP_S = 15.0
KEEPER_STOP_S = 5.0

log = structlog.get_logger(__name__)


def run_processes(
    settings: Settings, roles: Collection[str], workers: int, nursery: Nursery
) -> int:
    """Run API workers, and `writer` and `keeper` if `roles` has them.

    Returns the exit code at SIGTERM or SIGINT, 0 after a clean stop. Raises Refused if a store
    would break a promise, StartFailed if a process does not start.
    """
    logs.setup(settings, "supervisor")
    return asyncio.run(_run(settings, roles, workers, nursery))


def children_of(settings: Settings, roles: Collection[str], workers: int) -> list[Child]:
    """The processes of these roles."""
    children: list[Child] = []
    if "writer" in roles:
        children.append(Child("writer", ["writer"], stop_s=WRITER_STOP_S))
    if "keeper" in roles:
        children.append(Child("keeper", ["keeper"], stop_s=KEEPER_STOP_S))
    stop_s = settings.http.notice_s + settings.http.drain_s + STOP_MARGIN_S
    children += [
        Child(f"api-{index}", ["api-worker", "--index", str(index)], stop_s=stop_s)
        for index in range(workers)
    ]
    return children


async def stop_in_order(supervisor: Supervisor, deployment: Deployment) -> None:
    """Stop the workers, the keeper, and the writer once SQL holds the whole log."""
    await supervisor.stop("api-")
    await supervisor.stop("keeper")
    if any(child.name == "writer" for child in supervisor.children):
        left = await wait_until_caught_up(deployment, CATCH_UP_S)
        if left:
            log.warning(
                "stopping before SQL has the whole log",
                partitions=list(left),
                reasons=[reason for reason in left.values() if reason],
            )
        await supervisor.stop("writer")


async def _run(settings: Settings, roles: Collection[str], workers: int, nursery: Nursery) -> int:
    stop = asyncio.Event()
    killed = asyncio.Event()
    supervisor = Supervisor(settings, children_of(settings, roles, workers), nursery)

    def kill() -> None:
        killed.set()
        supervisor.kill()

    watch_signals(stop, at_once=kill)
    async with open_deployment(settings, role="supervisor") as deployment:
        await supervisor.start(stop)
        if not stop.is_set():
            took_s = age_s()
            link = await make_way_in(deployment) if settings.env == "dev" else ""
            print(banner(settings, roles, workers, took_s, link), flush=True)
            notify(READY)
            await stop.wait()
        notify(STOPPING)
        await stop_in_order(supervisor, deployment)
    log.info("stopped")
    return STOPPED_AT_ONCE if killed.is_set() else 0
