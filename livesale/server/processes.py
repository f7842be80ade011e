"""All processes of one deployment on this machine: `livesale serve` and `livesale up`."""

import asyncio
import time
from collections.abc import Collection

import structlog

from livesale import logs
from livesale.deployment import Deployment, open_deployment
from livesale.server.banner import banner
from livesale.server.catch_up import wait_until_caught_up
from livesale.server.signals import watch_signals
from livesale.server.sockets import reserve_port
from livesale.server.supervisor import STOP_MARGIN_S, Child, Supervisor
from livesale.settings import Settings

CATCH_UP_S = 10.0
WRITER_STOP_S = 15.0
KEEPER_STOP_S = 5.0

log = structlog.get_logger(__name__)


def run(settings: Settings, roles: Collection[str], workers: int | None = None) -> int:
    """Run API workers, and with them those of `writer` and `keeper` that `roles` names.

    Returns at SIGTERM or SIGINT: the exit code, 0 after a clean stop. Raises Refused when the port
    is taken or a store contradicts a promise, StartFailed when a process does not come up.
    """
    logs.setup(settings, "supervisor")
    return asyncio.run(_run(settings, roles, workers or settings.http.workers))


def with_port(settings: Settings, port: int) -> Settings:
    """The same settings, with the port that was picked."""
    return settings.model_copy(update={"http": settings.http.model_copy(update={"port": port})})


def children_of(settings: Settings, roles: Collection[str], workers: int) -> list[Child]:
    """The processes that make up these roles."""
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
    """No more requests, no more expiries, then the writer, once SQL holds the whole log."""
    await supervisor.stop("api-")
    await supervisor.stop("keeper")
    if any(child.name == "writer" for child in supervisor.children):
        left = await wait_until_caught_up(deployment, CATCH_UP_S)
        if left:
            log.warning("stopping with a log that SQL does not hold yet", partitions=left)
        await supervisor.stop("writer")


async def _run(settings: Settings, roles: Collection[str], workers: int) -> int:
    began = time.monotonic()
    stop = asyncio.Event()
    killed = asyncio.Event()
    supervisor: Supervisor | None = None

    def kill() -> None:
        killed.set()
        if supervisor is not None:
            supervisor.kill()

    watch_signals(stop, at_once=kill)
    with reserve_port(settings.http) as holder:
        settings = with_port(settings, holder.getsockname()[1])
        async with open_deployment(settings, role="supervisor") as deployment:
            supervisor = Supervisor(settings, children_of(settings, roles, workers))
            await supervisor.start(stop)
            if not stop.is_set():
                said = banner(settings, roles, workers, time.monotonic() - began)
                print(said, flush=True)
                await stop.wait()
            await stop_in_order(supervisor, deployment)
    log.info("stopped")
    return 1 if killed.is_set() else 0
