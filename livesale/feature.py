"""The door: what a feature brings. `livesale.app` goes through the list of features.

A feature is a folder with a `feature.py`. Everything else is derived from it: routes and documents
of the API, events and frames of rooms, the keeper's jobs, the parts of a worker.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs
from prometheus_client import CollectorRegistry
from sqlalchemy import Table

from livesale.parts import Makers
from livesale.resources import Deployment
from livesale.validation.uses import FindUse
from livesale.web.problems import CORE_PROBLEMS, ProblemKind
from livesale.web.routes import Route


class Job(Protocol):
    """What the keeper does for a feature, in time."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what was begun."""
        ...


# None: the settings switch the job off.
MakeJob = Callable[[Deployment, CollectorRegistry], Job | None]


class Feature(Struct, frozen=True, kw_only=True):
    """What one folder of livesale brings.

    `parts`: its use cases, each with how it is made. `running`: those of them that an API worker
    keeps running. `tables`: its tables in SQL. `events`: what it sends to rooms; `frames`: what
    viewers may send, each with its handler. `sockets`: other sockets by their path, and what they
    send. `jobs`: what the keeper does, by the name of its task.
    `uses`: what of it hangs on an object of another feature, by the kind of that object.
    `notices`: what it tells single buyers, on their private channel.
    `metrics`: what its jobs count, as classes that take a registry.
    `lane`: a route that is so hot that connections answer it by themselves, and how.
    """

    name: str
    routes: Sequence[Route] = ()
    problems: Mapping[str, ProblemKind] = {}
    parts: Makers = {}
    running: Sequence[type[Any]] = ()
    tables: Sequence[Table] = ()
    events: Sequence[type[Struct]] = ()
    frames: Mapping[type[Any], Callable[..., Any]] = {}
    sockets: Mapping[str, Sequence[type[Struct]]] = {}
    notices: Sequence[type[Struct]] = ()
    jobs: Mapping[str, MakeJob] = {}
    uses: Mapping[str, FindUse] = {}
    metrics: Sequence[Callable[[CollectorRegistry], Any]] = ()
    lane: tuple[Route, Callable[[Any, Iterable[bytes]], Any]] | None = None


def routes_of(features: Iterable[Feature]) -> list[Route]:
    """Every route; behind each PATCH, the same as a POST: WeChat's `wx.request` has no PATCH."""
    found: list[Route] = []
    for feature in features:
        for route in feature.routes:
            found.append(route)
            if route.method == "PATCH":
                found.append(structs.replace(route, method="POST", alias_of="PATCH"))
    return found


def events_of(features: Iterable[Feature]) -> list[type[Any]]:
    return [event for feature in features for event in feature.events]


def notices_of(features: Iterable[Feature]) -> list[type[Any]]:
    return [notice for feature in features for notice in feature.notices]


def frames_of(features: Iterable[Feature]) -> dict[type[Any], Callable[..., Any]]:
    return {kind: handle for feature in features for kind, handle in feature.frames.items()}


def sockets_of(features: Iterable[Feature]) -> dict[str, Sequence[type[Struct]]]:
    """Sockets that are not those of rooms, and what each sends."""
    return {path: kinds for feature in features for path, kinds in feature.sockets.items()}


def jobs_of(features: Iterable[Feature]) -> Iterator[tuple[str, MakeJob]]:
    for feature in features:
        yield from feature.jobs.items()


def tables_of(features: Iterable[Feature]) -> list[Table]:
    return [table for feature in features for table in feature.tables]


def uses_of(features: Iterable[Feature]) -> dict[str, list[FindUse]]:
    """What may hang on an object, by its kind."""
    found: dict[str, list[FindUse]] = {}
    for feature in features:
        for kind, find in feature.uses.items():
            found.setdefault(kind, []).append(find)
    return found


def problems_of(features: Iterable[Feature]) -> dict[str, ProblemKind]:
    """Every kind of problem that there is: those of any request, and those of the features."""
    found = dict(CORE_PROBLEMS)
    for feature in features:
        found.update(feature.problems)
    return found
