"""Draws lucky bags on time, in the keeper's process. Any number of keepers may run."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.bags import lists as bag_lists
from livesale.rooms.bags import store
from livesale.rooms.bags.draws import Draws
from livesale.rooms.bags.store import RUNNING, Bag, BagState
from livesale.rooms.copy import RoomCopy
from livesale.tasks import Tasks, note_fault
from livesale.tasks.clock_steps import ClockWatch

LOOK_S = 1.0  # between two looks for due bags
PAGE = 200  # bags in one look, both of open and of drawn bags
BEHIND_S = 0.05  # the same while there are entries to copy
CLEAR_MS = 300  # we copy nothing so shortly before a draw, so that it is on time
LATE_MS = 5_000  # a bag that is late by more than this does not stop the copying


class BagMetrics:
    """Metrics of the keeper of bags."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bags = Gauge(
            "livesale_bags",
            "Lucky bags that are not over, by state; drawn: the prizes are being given",
            ["state"],
            registry=registry,
        )
        self.faults = Counter(
            "livesale_bag_faults_total",
            "Steps of lucky bags that failed and are retried",
            registry=registry,
        )


class BagKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._clock = ClockWatch(deployment.engine)
        self._draws = Draws(deployment, RoomCopy(deployment))
        self._metrics = BagMetrics(registry or CollectorRegistry())
        self._after = (
            ""  # the last drawn bag that was read: pages go round, so that each gets its turn
        )

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("lucky bags", self.step)

    async def step(self) -> float:
        """One look; seconds until the next."""
        try:
            return await self.look()
        except Exception:
            self._metrics.faults.inc()
            raise

    async def look(self) -> float:
        """Do every due step of all bags; returns the seconds until the next look."""
        if (await self._clock.look()).doubted:  # an early draw could not be undone
            return LOOK_S
        running, drawn = await self._find()
        for state in RUNNING:
            count = sum(bag.state == state for bag in running)
            self._metrics.bags.labels(state).set(count)
        self._metrics.bags.labels(BagState.DRAWN).set(len(drawn))
        for bag in (*running, *drawn):
            try:
                await self._draws.advance(bag)
            except Exception as fault:  # continue with the other bags
                self._metrics.faults.inc()
                note_fault("lucky bag", fault, about=bag.bag_id)
        is_behind = await self._follow([bag for bag in running if bag.state == BagState.OPEN])
        now_ms = await self._engine.now_ms() if running else 0
        to_come = [bag.draws_ms - now_ms for bag in running if bag.draws_ms > now_ms]
        rest_s = min([LOOK_S, *[(wait_ms + 1) / 1000 for wait_ms in to_come]])
        return min(rest_s, BEHIND_S) if is_behind else rest_s

    async def _follow(self, taking: list[Bag]) -> bool:
        """Copy the lists of open bags, unless a draw is near; returns whether there is more
        to copy."""
        self._draws.lists.keep_only([bag.bag_id for bag in taking])
        for bag in taking:
            now_ms = await self._engine.now_ms()
            if any(now_ms - LATE_MS < one.draws_ms < now_ms + CLEAR_MS for one in taking):
                return False
            try:
                if await self._draws.lists.follow(bag) == bag_lists.PAGE:
                    return True
            except Exception as fault:  # the draw writes the whole list
                note_fault("list of a lucky bag", fault, about=bag.bag_id)
        return False

    async def _find(self) -> tuple[list[Bag], list[Bag]]:
        """The bags to draw next, and a page of drawn bags."""
        async with session(self._sql) as connection:
            running = await store.running_bags(connection, PAGE)
            drawn = await store.drawn_bags(connection, self._after, PAGE)
        self._after = drawn[-1].bag_id if len(drawn) == PAGE else ""
        return running, drawn
