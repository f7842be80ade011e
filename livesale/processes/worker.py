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
from livesale.processes.memory import settle_memory
from livesale.processes.signals import STOPPED_AT_ONCE, watch_signals
from livesale.processes.sockets import BACKLOG, listen, refuse_handshakes
from livesale.rooms.channel.hub import Hub
from livesale.settings import Settings
from livesale.tasks import report_unhandled
from livesale.telemetry import logs, metrics
from livesale.web.documents import Documents
from livesale.web.draining import Draining
from livesale.web.protocol import ApiRunner

ACCEPT_REST_S = 0.05  # for handshakes in progress when we refuse new ones
FIRST_REQUEST_S = 0.25  # for the newest connections to send their request
POLL_S = 0.01
SOCKETS_SHARE = 0.5  # share of the drain time over which we close the sockets of rooms

log = structlog.get_logger(__name__)


def run_api_worker(settings: Settings, index: int) -> int:
    """Serve until a stop signal; returns the exit code. Raises Refused."""
    return uvloop.run(_serve(settings, f"api-{index}"))


async def _serve(settings: Settings, name: str) -> int:
    logs.setup(settings, name)
    check_exposure(settings)  # for a worker that was started by hand
    report_unhandled(asyncio.get_running_loop())
    stop = asyncio.Event()
    watch_signals(stop, at_once=lambda: os._exit(STOPPED_AT_ONCE))
    async with open_deployment(settings, role=name) as deployment:
        app = build_app(deployment)
        # Build them now: it takes a while, and the first request must not delay others.
        app[PARTS][Documents]
        runner = ApiRunner(app, settings.http)
        await runner.setup()
        try:
            sock = listen(settings.http)
            site = web.SockSite(runner, sock, backlog=BACKLOG)
            await site.start()
            settle_memory()
            async with metrics.serve(settings, name):
                log.info("serving", host=settings.http.host, port=sock.getsockname()[1])
                await stop.wait()
                await _drain(runner, site, sock, settings)
        finally:
            # Waits drain_s for running requests, then ends them; drains the batcher last.
            await runner.cleanup()
    return 0


async def _drain(
    runner: web.AppRunner, site: web.SockSite, sock: socket.socket, settings: Settings
) -> None:
    """Announce the stop, then accept nothing new.

    From then on, readyz returns 503 and every answer closes its connection. Otherwise a connection
    that closes between two requests looks like a lost answer to the client.
    """
    runner.app[PARTS][Draining].draining = True
    await asyncio.sleep(settings.http.notice_s)
    refuse_handshakes(sock)
    await asyncio.sleep(ACCEPT_REST_S)
    await site.stop()
    await runner.app[PARTS][Hub].drain(settings.http.drain_s * SOCKETS_SHARE)
    # The newest connections have not sent a request yet and look idle; idle ones are closed next.
    await _wait_for_leaving(runner, min(FIRST_REQUEST_S, settings.http.drain_s))


async def _wait_for_leaving(runner: web.AppRunner, seconds: float) -> None:
    """Wait until all connections have closed, at most this time."""
    for _ in range(int(seconds / POLL_S)):
        if runner.server is None or not runner.server.connections:
            return
        await asyncio.sleep(POLL_S)
