"""One API worker: serves its share of the port, and stops without losing a request."""

import asyncio
import os
import socket

import structlog
import uvloop
from aiohttp import web

from livesale.app import PARTS, build_app
from livesale.deployment.exposure import check_exposure
from livesale.deployment.opening import open_deployment
from livesale.processes.signals import STOPPED_AT_ONCE, watch_signals
from livesale.processes.sockets import BACKLOG, listen, refuse_handshakes
from livesale.rooms.channel.hub import Hub
from livesale.settings import Settings
from livesale.tasks import report_unhandled
from livesale.telemetry import logs, metrics
from livesale.web.documents import Documents
from livesale.web.draining import Draining
from livesale.web.protocol import ApiRunner

ACCEPT_REST_S = 0.05  # for handshakes that were under way when new ones were refused
FIRST_REQUEST_S = 0.25  # for connections that came last to send their request
POLL_S = 0.01
SOCKETS_SHARE = 0.5  # of the time to drain, over which the sockets of rooms are sent away

log = structlog.get_logger(__name__)


def run_api_worker(settings: Settings, index: int) -> int:
    """Serve until told to stop; the exit code. Raises Refused."""
    return uvloop.run(_serve(settings, f"api-{index}"))


async def _serve(settings: Settings, name: str) -> int:
    logs.setup(settings, name)
    check_exposure(settings)  # of a worker that was started by hand
    report_unhandled(asyncio.get_running_loop())
    stop = asyncio.Event()
    watch_signals(stop, at_once=lambda: os._exit(STOPPED_AT_ONCE))
    async with open_deployment(settings, role=name) as deployment:
        app = build_app(deployment)
        app[PARTS][Documents]  # now: it takes a while, and the first to ask must not hold up others
        runner = ApiRunner(app, settings.http)
        await runner.setup()
        try:
            sock = listen(settings.http)
            site = web.SockSite(runner, sock, backlog=BACKLOG)
            await site.start()
            async with metrics.serve(settings, name):
                log.info("serving", host=settings.http.host, port=sock.getsockname()[1])
                await stop.wait()
                await _drain(runner, site, sock, settings)
        finally:
            # Waits drain_s for what is being answered, then ends it; the batcher is drained last.
            await runner.cleanup()
    return 0


async def _drain(
    runner: web.AppRunner, site: web.SockSite, sock: socket.socket, settings: Settings
) -> None:
    """Say that we leave, then take nothing new.

    From the notice on readyz says 503 and every answer closes its connection: a connection that is
    closed between two requests looks like a lost answer to the client that sends the second one.
    """
    runner.app[PARTS][Draining].draining = True
    await asyncio.sleep(settings.http.notice_s)
    refuse_handshakes(sock)
    await asyncio.sleep(ACCEPT_REST_S)
    await site.stop()
    await runner.app[PARTS][Hub].drain(settings.http.drain_s * SOCKETS_SHARE)
    # Who connected last has not sent a request yet and looks idle; the idle are cut off next.
    await _wait_for_leaving(runner, min(FIRST_REQUEST_S, settings.http.drain_s))


async def _wait_for_leaving(runner: web.AppRunner, seconds: float) -> None:
    """Until all connections have closed, or so long at most."""
    for _ in range(int(seconds / POLL_S)):
        if runner.server is None or not runner.server.connections:
            return
        await asyncio.sleep(POLL_S)
