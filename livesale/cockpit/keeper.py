"""The keeper looks at SQL for the cockpit, once a second, while somebody watches."""

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from livesale.cockpit import store
from livesale.cockpit.glance import Expired, Glance, look, share
from livesale.cockpit.part import wall_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks import Tasks

EVERY_S = 1.0
IDLE_S = 0.5  # how soon it sees that somebody watches
SHARE = 20  # counting of expired units rests for so many times as long as it took
COUNTED = 4  # drops at a time


class GlanceKeeper:
    """Call `run`; it ends when `stop` is set. Any number may run: each look is whole."""

    def __init__(self, deployment: Deployment, _registry: CollectorRegistry | None = None) -> None:
        self._deployment = deployment
        self._expired: dict[str, Expired] = {}
        self._next_count_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("cockpit: look", self.step)

    async def step(self) -> float:
        """Look, if somebody watches; seconds until the next look.

        Raises StoreUnavailable, RedisError or OSError.
        """
        clock = asyncio.get_running_loop().time
        began_s = clock()
        if not await self._deployment.redis.exists(self._deployment.keyspace.watched):
            return IDLE_S
        glance = await look(self._deployment, self._expired)
        await share(self._deployment, glance)
        await self._count_some(glance)
        return max(0.1, EVERY_S - (clock() - began_s))

    async def _count_some(self, glance: Glance) -> None:
        """Count a few of the drops that were counted longest ago; then rest, so that SQL has little
        of it."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        if began_s < self._next_count_s:
            return
        known = {row.drop_id for row in glance.drops}
        self._expired = {each: one for each, one in self._expired.items() if each in known}
        await self._count(sorted(known, key=self._counted_ms)[:COUNTED])
        self._next_count_s = clock() + SHARE * (clock() - began_s)

    async def _count(self, drop_ids: Sequence[str]) -> None:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        async with session(self._deployment.sql) as connection:
            for drop_id in drop_ids:
                at_ms = wall_ms()
                self._expired[drop_id] = Expired(
                    await store.expired_units(connection, drop_id), at_ms
                )
                if clock() - began_s > 1 / SHARE:
                    break

    def _counted_ms(self, drop_id: str) -> int:
        found = self._expired.get(drop_id)
        return found.at_ms if found else 0
