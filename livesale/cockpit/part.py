"""Takes one part of the figures, and keeps the last one that was good."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec.structs import replace

from livesale.cockpit.figures import Part
from livesale.tasks import Tasks

P = TypeVar("P", bound=Part)

TAKE_S = 0.8  # a slower part is shown as it was


class Taken(Generic[P]):
    """`show` never raises what a store may do: it answers what was known last, with its age.
    `take` says `at_ms` itself if it shows what somebody else has taken.

    A slow `take` goes on, and nobody begins another beside it: a store that hangs costs one call.
    """

    def __init__(self, take: Callable[[], Awaitable[P]], nothing: P) -> None:
        self._take = take
        self._last = nothing
        self._running: asyncio.Task[P] | None = None

    async def show(self, tasks: Tasks) -> P:
        if self._running is None:
            self._running = tasks.errand("cockpit: part", self._measure(), awaited=True)
        await asyncio.wait({self._running}, timeout=TAKE_S)
        fault = "no answer in time"
        if self._running.done():
            task, self._running = self._running, None
            fault = ""
            try:
                self._last = task.result()
            except asyncio.CancelledError:
                fault = "stopping"
            except Exception as error:  # of a store, or a bug: the other parts are shown
                fault = type(error).__name__
        at_ms = self._last.at_ms
        age_ms = None if at_ms is None else max(0, wall_ms() - at_ms)
        return replace(self._last, age_ms=age_ms, fault=fault)

    async def _measure(self) -> P:
        at_ms = wall_ms()  # before it: the age is never too small
        found = await self._take()
        return found if found.at_ms is not None else replace(found, at_ms=at_ms)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000
