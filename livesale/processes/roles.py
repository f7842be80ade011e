"""The roles behind the API: one process each, with logs, metrics and a clean stop."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Protocol

import uvloop
from msgspec import structs
from prometheus_client import CollectorRegistry

from livesale.app import FEATURES
from livesale.deployment.opening import open_deployment
from livesale.feature import Job, jobs_of
from livesale.ledger.leases import LONGEST_S, Leases, pins_of
from livesale.ledger.writer import Writer
from livesale.processes.notify import READY, STOPPING, notify
from livesale.processes.signals import STOPPED_AT_ONCE, watch_signals
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tasks import TABLE, Tasks, report_unhandled
from livesale.tasks.share import Share
from livesale.telemetry import logs, metrics
from livesale.web.probes import serve_probes

STEADY_S = 1.0  # a keeper counts as working after this time


class Worker(Protocol):
    """The interface of writer and keeper."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish the current step."""
        ...


def run_writer(settings: Settings) -> int:
    """Write the log into SQL until a stop signal; returns the exit code. Raises Refused."""
    return uvloop.run(_run("writer", settings, Writer))


def run_keeper(settings: Settings) -> int:
    """Expire holds and close drops until a stop signal; returns the exit code. Raises Refused."""
    return uvloop.run(_run("keeper", settings, _Keepers))


class _Keepers:
    """The jobs of all features in one process, a task for each. Keepers share the partitions."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry) -> None:
        space, settings = deployment.keyspace, deployment.settings
        share = Share()
        self._leases = Leases(
            deployment.sql,
            "keeper",
            space.partitions,
            share,
            pins=pins_of(settings.keeper.partitions, space.partitions),
            sweeps_blind=True,
        )
        deployment = structs.replace(deployment, share=share)
        made = ((name, make(deployment, registry)) for name, make in jobs_of(FEATURES))
        self._jobs = {name: job for name, job in made if job is not None}

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.keep("keeper: leases", partial(self._leases.run, stop), longest_s=LONGEST_S)
            for name, job in self._jobs.items():
                tasks.keep(name, partial(_run_job, job, stop), steady_s=STEADY_S)
        await self._leases.leave()


async def _run_job(job: Job, stop: asyncio.Event, _works: object) -> None:
    await job.run(stop)


def _faults() -> str:
    """Background tasks that fail now, such as those of a store that is away."""
    return "; ".join(f"{name} ({why})" for name, why in sorted(TABLE.down().items()))


async def _run(
    role: str, settings: Settings, make: Callable[[Deployment, CollectorRegistry], Worker]
) -> int:
    logs.setup(settings, role)
    report_unhandled(asyncio.get_running_loop())
    stop = asyncio.Event()
    watch_signals(stop, at_once=lambda: os._exit(STOPPED_AT_ONCE))
    async with open_deployment(settings, role=role) as deployment:
        worker = make(deployment, metrics.REGISTRY)
        async with metrics.serve(settings, role), serve_probes(settings, _faults):
            notify(READY)
            await worker.run(stop)
            notify(STOPPING)
    return 0
