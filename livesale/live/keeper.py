"""What is done for rooms in time, by the keeper's process: any number of them may run.

One director a partition tells rooms of their drops. A watch goes over the rooms that are not over:
a host who is silent makes a room abnormal, paused or not, and ends it in the end; one never begun
expires; one whose stream fell silent is paused; a copy in Redis that is behind SQL is brought up to
it; viewers of a worker that died are counted no more; and the numbers of rooms are written down.
Lucky bags are drawn beside it.
"""

import asyncio

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from livesale.deployment import Deployment
from livesale.live.bag_keeper import BagKeeper
from livesale.live.copy import RoomCopy
from livesale.live.director import TOLD_ROOMS, Director
from livesale.live.life import Life, verb_back
from livesale.live.people_scripts import NOBODY
from livesale.live.recorder import Recorder
from livesale.live.states import RoomState, Verb
from livesale.live.streams import Streams
from livesale.sales.errors import RoomRefused
from livesale.store import rooms as store
from livesale.store.errors import StoreUnavailable
from livesale.store.rooms import Room
from livesale.store.session import session
from livesale.tasks.backoff import Backoff, wait_for
from stock.errors import NotSent, OutcomeUnknown, ServerRefuses

WATCH_S = 1.0
PAGE = 500
# Faults of the stores and not of one room: it is the same for all.
_FOR_ALL = (StoreUnavailable, NotSent, OutcomeUnknown, ServerRefuses)

log = structlog.get_logger(__name__)


class RoomMetrics:
    """What the watch over the rooms shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rooms = Gauge(
            "livesale_rooms", "Rooms that are not over, by state", ["state"], registry=registry
        )
        self.faults = Counter(
            "livesale_rooms_watch_faults_total",
            "Looks at the rooms that failed",
            registry=registry,
        )


class RoomKeeper:
    """`run` until told to stop."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._deployment = deployment
        self._live = deployment.settings.live
        self._copy = RoomCopy(deployment)
        self._life = Life(deployment, self._copy)
        self._streams = Streams(deployment, self._life)
        self._recorder = Recorder(deployment)
        registry = registry or CollectorRegistry()
        self._metrics = RoomMetrics(registry)
        self._bags = BagKeeper(deployment, self._copy, registry)
        self._versions: dict[str, tuple[int, int]] = {}  # that Redis was seen to have
        self._failing: dict[str, str] = {}  # rooms that could not be looked at, and why

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for partition in range(self._deployment.keyspace.partitions):
                director = Director(self._deployment, partition, self._copy)
                tasks.create_task(director.run(stop))
            tasks.create_task(self._watch(stop))
            tasks.create_task(self._bags.run(stop))

    async def _watch(self, stop: asyncio.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                await self.look()
            # A room that waits is looked at again, whatever it was.
            except Exception as fault:
                self._metrics.faults.inc()
                log.warning("the rooms wait", reason=f"{type(fault).__name__}: {fault}")
                await backoff.wait(stop)
                continue
            backoff.reset()
            await wait_for(stop, WATCH_S)

    async def look(self) -> None:
        """Look at every room that is not over, once. Raises StoreUnavailable or StockError."""
        await self._streams.look()
        counts = dict.fromkeys(TOLD_ROOMS, 0)
        seen: set[str] = set()
        before = ""
        while True:
            async with session(self._deployment.sql) as connection:
                page = await store.list_rooms(
                    connection, states=TOLD_ROOMS, before=before, limit=PAGE
                )
            now_ms = await self._deployment.engine.now_ms()
            for room in page:
                counts[RoomState(room.state)] += 1
                seen.add(room.room_id)
                await self._look_by_itself(room, now_ms)
            if len(page) < PAGE:
                break
            before = page[-1].room_id
        await self._recorder.close(now_ms)
        self._versions = {id_: found for id_, found in self._versions.items() if id_ in seen}
        self._failing = {id_: reason for id_, reason in self._failing.items() if id_ in seen}
        for state, count in counts.items():
            self._metrics.rooms.labels(state).set(count)

    async def _look_by_itself(self, room: Room, now_ms: int) -> None:
        """Look at one room; what is wrong with it alone does not keep the others waiting."""
        try:
            await self._look_at(room, now_ms)
        except _FOR_ALL:
            raise
        except Exception as fault:
            self._metrics.faults.inc()
            reason = f"{type(fault).__name__}: {fault}"
            if self._failing.get(room.room_id) != reason:
                log.warning("a room waits", room_id=room.room_id, reason=reason)
            self._failing[room.room_id] = reason
        else:
            self._failing.pop(room.room_id, None)

    async def _look_at(self, room: Room, now_ms: int) -> None:
        silence_ms = await self._copy.gateway.silence_ms(room.room_id)
        versions = (room.version, room.bars_version)
        if silence_ms is None or self._versions.get(room.room_id) != versions:
            await self._copy.revive(room.room_id)
            self._versions[room.room_id] = versions
            silence_ms = silence_ms or 0
        counted = await self._copy.people.report(room.room_id, NOBODY, tick_ms=self._live.people_ms)
        if counted is not None:
            await self._recorder.look_at(room, counted[0], now_ms)
        verb = self._verb_for(room, silence_ms, now_ms)
        if verb is None:
            return
        log.info("a room is moved in time", room_id=room.room_id, verb=verb, silence_ms=silence_ms)
        try:
            await self._life.act(room.room_id, verb)
        except RoomRefused:
            return  # its host, or another keeper, was quicker

    def _verb_for(self, room: Room, silence_ms: int, now_ms: int) -> Verb | None:
        match RoomState(room.state):
            case RoomState.LIVE if silence_ms > self._live.heartbeat_ms:
                return Verb.MISS
            case RoomState.PAUSED if silence_ms > self._live.heartbeat_ms:
                return Verb.MISS_PAUSED
            case RoomState.ABNORMAL if now_ms - room.state_ms > self._live.abandon_s * 1000:
                return Verb.END
            case RoomState.ABNORMAL if silence_ms <= self._live.heartbeat_ms:
                return verb_back(room)
            case RoomState.SCHEDULED if now_ms - room.starts_ms > self._live.expire_after_s * 1000:
                return Verb.EXPIRE
        return None
