"""A bounded memory of what was just looked up, so that a crowd costs one look-up, not a crowd."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from livesale.tasks import errand
from livesale.tasks.turns import WORKS_FOR

V = TypeVar("V")


class TtlCache(Generic[V]):
    """Gives what `load(key)` gave at most `ttl_s` ago, by when it was asked. One load a key at a
    time: the others wait for it.

    At most `max_found` values and as many `None`s are kept, the oldest go first. What was not found
    has room of its own, so that made-up keys push nothing out. With `stale_on`, a load that raises
    one of these faults is answered by the last value instead, if there is one.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[V | None]],
        *,
        ttl_s: float,
        max_found: int = 1_000,
        stale_on: tuple[type[Exception], ...] = (),
    ) -> None:
        self._load = load
        self._ttl_s = ttl_s
        self._max = max_found
        self._stale_on = stale_on
        self._found: dict[str, tuple[float, V]] = {}
        self._missing: dict[str, float] = {}
        # By whether a stranger asks: nobody else waits for a look-up that waits among strangers.
        self._loads: dict[tuple[str, bool], asyncio.Task[V | None]] = {}
        self._outdated: set[tuple[str, bool]] = set()  # forgotten while it was loaded

    async def get(self, key: str) -> V | None:
        """The value, or None when there is none. Raises what `load` raises."""
        now = asyncio.get_running_loop().time()
        known = self._found.get(key)
        if known is not None and known[0] > now:
            return known[1]
        if self._missing.get(key, 0.0) > now:
            return None
        place = key, WORKS_FOR.get().stranger
        task = self._loads.get(place)
        if task is None:
            load = self._refresh(place, now + self._ttl_s)
            task = self._loads[place] = errand("look up", load, about=key, awaited=True)
        # Shielded: one caller that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, key: str) -> None:
        """Load it anew when it is asked for again; what is being loaded, too."""
        self._outdated.update(place for place in self._loads if place[0] == key)
        self._found.pop(key, None)
        self._missing.pop(key, None)

    async def _refresh(self, place: tuple[str, bool], until: float) -> V | None:
        key = place[0]
        try:
            value = await self._load(key)
            while place in self._outdated:
                self._outdated.remove(place)
                value = await self._load(key)
        except self._stale_on:
            known = self._found.get(key)
            if known is None:
                raise
            self._found[key] = (until, known[1])
            return known[1]
        finally:
            del self._loads[place]
            self._outdated.discard(place)
        self._found.pop(key, None)
        self._missing.pop(key, None)
        if value is None:
            self._missing[key] = until
            if len(self._missing) > self._max:
                del self._missing[next(iter(self._missing))]
        else:
            self._found[key] = (until, value)
            if len(self._found) > self._max:
                del self._found[next(iter(self._found))]
        return value
