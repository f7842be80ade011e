"""The roles that work behind the API: one process each, with logs, metrics and a clean stop."""

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

import uvloop
from prometheus_client import CollectorRegistry

from livesale import logs, metrics
from livesale.deployment import Deployment, open_deployment
from livesale.live.keeper import RoomKeeper
from livesale.payments.choose import make_gateway
from livesale.reminders.sender import ReminderSender
from livesale.reminders.wechat import make_messenger
from livesale.server.notify import READY, STOPPING, notify
from livesale.server.signals import STOPPED_AT_ONCE, watch_signals
from livesale.settings import Settings
from livesale.tasks import Tasks, report_unhandled
from livesale.workers.keeper import Keeper
from livesale.workers.writer import Writer

STEADY_S = 1.0  # a keeper that has run so long works


class Worker(Protocol):
    """What the writer and the keeper are."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what was begun."""
        ...


def run_writer(settings: Settings) -> int:
    """Move the log into SQL until told to stop; the exit code. Raises Refused."""
    return uvloop.run(_run("writer", settings, Writer))


def run_keeper(settings: Settings) -> int:
    """Expire holds and close drops until told to stop; the exit code. Raises Refused."""
    return uvloop.run(_run("keeper", settings, _Keepers))


class _Keepers:
    """The keepers of stock and money, of the rooms, and of reminders if they are on: one process,
    three bodies of work."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry) -> None:
        self._stock = Keeper(deployment, registry, make_gateway(deployment))
        self._rooms = RoomKeeper(deployment, registry)
        messenger = make_messenger(deployment.settings)
        self._reminders: ReminderSender | None = None
        if messenger is not None:
            self._reminders = ReminderSender(deployment, messenger, registry)

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.keep("keeper", lambda _: self._stock.run(stop), steady_s=STEADY_S)
            tasks.keep("rooms", lambda _: self._rooms.run(stop), steady_s=STEADY_S)
            if self._reminders is not None:
                reminders = self._reminders
                tasks.keep("reminders", lambda _: reminders.run(stop), steady_s=STEADY_S)


async def _run(
    role: str, settings: Settings, make: Callable[[Deployment, CollectorRegistry], Worker]
) -> int:
    logs.setup(settings, role)
    report_unhandled(asyncio.get_running_loop())
    stop = asyncio.Event()
    watch_signals(stop, at_once=lambda: os._exit(STOPPED_AT_ONCE))
    async with open_deployment(settings, role=role) as deployment:
        worker = make(deployment, metrics.REGISTRY)
        async with metrics.serve(settings, role):
            notify(READY)
            await worker.run(stop)
            notify(STOPPING)
    return 0
