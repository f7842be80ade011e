"""What a writer or keeper answers over HTTP: whether it lives, whether it works, its metrics.

The API answers these by itself. A writer or keeper has a port only if the settings give it one:
orchestrators and Prometheus need it where each process has a container of its own. Its connections
have the bounds of the API's, and are few.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from livesale.errors import Refused
from livesale.settings import PREFIX, Settings
from livesale.telemetry import metrics
from livesale.web.protocol import ApiRunner

PORT = f"{PREFIX}PROBES__PORT"
STOP_S = 1.0  # for answers in flight
MAX_CONNECTIONS = 64  # files that others can keep open here: the work needs its own


@asynccontextmanager
async def serve_probes(settings: Settings, faults: Callable[[], str]) -> AsyncIterator[None]:
    """Answer while open, if the settings name a port.

    `faults` says why the process does not work, or is empty. Raises Refused if the port is taken.
    """
    if not settings.probes.port:
        yield
        return

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        why = faults()
        body = {"status": "not_ready" if why else "ready", "detail": why}
        return web.json_response(body, status=503 if why else 200)

    async def show(_: web.Request) -> web.Response:
        headers = {"Content-Type": metrics.CONTENT_TYPE}
        return web.Response(body=await metrics.exposition(), headers=headers)

    app = web.Application()
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", show)])
    few = {"max_connections": MAX_CONNECTIONS, "max_connections_per_address": MAX_CONNECTIONS}
    http = settings.http.model_copy(update=few)
    runner = ApiRunner(app, http, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.probes.host, settings.probes.port).start()
        except OSError as error:
            problem = f"cannot listen on {settings.probes.host}:{settings.probes.port}: {error}"
            raise Refused(PORT, problem, "Use a free port, or 0 for none.") from None
        yield
    finally:
        await runner.cleanup()
