"""A bounded cache with short times, so that a crowd costs only one look-up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from livesale.tasks import errand
from livesale.tasks.turns import WORKS_FOR

V = TypeVar("V")


class TtlCache(Generic[V]):
    """Returns a result of `load(key)` that was requested at most `ttl_s` ago. One load per key at a
    time: other callers wait for it.

    It keeps at most `max_found` values and as many `None`s, and removes the oldest first. `None`s
    are counted separately, so that made-up keys remove no values. If a load raises one of
    `stale_on`, it returns the last value instead, if there is one.
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
        # Separate for requests without a token, because their look-ups wait in a queue.
        self._loads: dict[tuple[str, bool], asyncio.Task[V | None]] = {}
        self._outdated: set[tuple[str, bool]] = set()  # forgotten during the load

    async def get(self, key: str) -> V | None:
        """The value, or None if there is none. Raises what `load` raises."""
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
        # Shielded: if one caller is cancelled, the others still get the answer.
        return await asyncio.shield(task)

    def is_fresh(self, key: str) -> bool:
        """Whether `get` answers without a load."""
        now = asyncio.get_running_loop().time()
        known = self._found.get(key)
        return (known is not None and known[0] > now) or self._missing.get(key, 0.0) > now

    def put(self, key: str, value: V | None) -> None:
        """Keep what was just loaded together with others."""
        self._keep(key, value, asyncio.get_running_loop().time() + self._ttl_s)

    def forget(self, key: str) -> None:
        """Load the key again at the next request; also repeats a running load."""
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
        self._keep(key, value, until)
        return value

    def _keep(self, key: str, value: V | None, until: float) -> None:
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
