"""Starts the real system for the demo: all processes, with their own stores by default."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

from livesale.demo.options import DemoOptions
from livesale.deployment.opening import open_deployment
from livesale.processes.banner import url_of
from livesale.processes.children import Nursery
from livesale.processes.processes import children_of, stop_in_order
from livesale.processes.sockets import reserve_port, with_port
from livesale.processes.supervisor import Supervisor
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.telemetry import logs

ROLES = ("api", "writer", "keeper")
LOG_FILE = "demo.log"


def settings_of_the_demo(settings: Settings, options: DemoOptions, folder: Path) -> Settings:
    """The caller's settings, on a free port, with stores in `folder` unless others are named."""
    return settings.model_copy(
        update={
            "data_dir": folder,
            "redis": settings.redis.model_copy(update={"url": options.redis or "embedded"}),
            "sql": settings.sql.model_copy(update={"url": options.sql or "embedded"}),
            "http": settings.http.model_copy(
                update={"host": "127.0.0.1", "port": 0, "workers": options.workers, "notice_s": 0.0}
            ),
            "log": settings.log.model_copy(update={"level": "warning", "format": "json"}),
        }
    )


@asynccontextmanager
async def set_stage(settings: Settings) -> AsyncIterator[tuple[Deployment, str]]:
    """Start all processes; yields the deployment and its URL. Stops them in order at the end.

    Their log is demo.log in the data folder. Raises Refused or StartFailed.
    """
    with ExitStack() as stack:
        log = stack.enter_context((settings.data_dir / LOG_FILE).open("a", encoding="utf-8"))
        logs.setup(settings, "demo", log)
        settings = with_port(settings, stack.enter_context(reserve_port(settings.http)))
        nursery = stack.enter_context(closing(Nursery(settings, log)))
        nursery.launch()
        async with open_deployment(settings, role="demo") as deployment:
            children = children_of(settings, ROLES, settings.http.workers)
            supervisor = Supervisor(settings, children, nursery)
            await supervisor.start()
            try:
                yield deployment, url_of(settings)
            except BaseException:
                supervisor.kill()
                raise
            await stop_in_order(supervisor, deployment)
