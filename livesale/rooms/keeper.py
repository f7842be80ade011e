"""The keeper's timed work for rooms. Any number of keepers may run.

One director for each partition sends rooms the changes of their drops. A watch checks all rooms
that are not over: those on air each second, the others page by page. It makes a room with a silent
host abnormal and later ends it, expires rooms that never began, pauses rooms with a silent stream,
updates copies in Redis that are behind SQL, removes the viewers of dead workers, and writes the
numbers of rooms. While Redis's clock is in doubt, it waits.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.exceptions import RedisError

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.director import FOR_ALL, TOLD_ROOMS, Director
from livesale.rooms.ingest.streams import Streams
from livesale.rooms.keys import RoomKeys
from livesale.rooms.lifecycle import RoomLifecycle, verb_back
from livesale.rooms.numbers.recorder import Recorder
from livesale.rooms.people.scripts import NOBODY, Counted
from livesale.rooms.states import ON_AIR, RoomState, Verb
from livesale.rooms.store import Room, RoomHead
from livesale.tasks import Tasks, note_fault
from livesale.tasks.clock_steps import ClockWatch
from livesale.validation.refusals import RoomRefused
from stock.errors import Unreachable

WATCH_S = 1.0
PAGE = 500
COUNT_MS = 5_000  # between two counts of the rooms by state
MAX_FAILING = 1_000  # rooms whose last fault we remember, to log it once
# These rooms change only by requests, or expire. Each look reads one page, so 10,000 cost no more
# than 100. A copy in Redis that is behind is corrected within (number of rooms / 100) seconds, or
# at the next change of the room.
QUIET = (RoomState.SCHEDULED, RoomState.BANNED)
QUIET_PAGE = 100
NOBODY_THERE = '"online":0,'  # in the format of `lua/people/report.lua`

log = structlog.get_logger(__name__)


class RoomMetrics:
    """Metrics of the watch."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rooms = Gauge(
            "livesale_rooms", "Rooms that are not over, by state", ["state"], registry=registry
        )
        self.faults = Counter(
            "livesale_rooms_watch_faults_total",
            "Failed checks of the rooms",
            registry=registry,
        )


class RoomKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._deployment = deployment
        self._live = deployment.settings.live
        self._clock = ClockWatch(deployment.engine)
        self._copy = RoomCopy(deployment)
        self._lifecycle = RoomLifecycle(deployment, self._copy)
        self._streams = Streams(deployment, self._lifecycle)
        self._recorder = Recorder(deployment)
        registry = registry or CollectorRegistry()
        self._metrics = RoomMetrics(registry)
        self._versions: dict[str, tuple[int, int]] = {}  # versions last seen in Redis
        self._before = dict.fromkeys(QUIET, "")  # where the next page of each state begins
        self._count_ms = 0  # time of the next count
        self._failing: dict[str, str] = {}  # rooms whose check failed, and why

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("rooms: watch", self._watch)
            await self._deployment.partitions_here().each(stop, self._direct)

    async def _direct(self, partition: int, gone: asyncio.Event) -> None:
        director = Director(self._deployment, partition, self._copy)
        async with Tasks(gone) as tasks:
            run = partial(director.run, gone)
            tasks.keep("rooms: director", run, about=f"p{partition:02d}")

    async def _watch(self) -> float:
        try:
            await self.look()
        except Exception:
            self._metrics.faults.inc()
            raise
        return WATCH_S

    async def look(self) -> None:
        """Check every room on air, and a page of the others: see QUIET.

        Raises StoreUnavailable or StockError.
        """
        clock = await self._clock.look()
        if clock.doubted:
            return
        now_ms = clock.now_ms
        await self._streams.look(now_ms)
        seen: set[str] = set()
        page = await self._page(ON_AIR, "")
        while page:
            for room in page:
                seen.add(room.room_id)
                await self._look_by_itself(self._look_at(room, now_ms), room.room_id)
            page = await self._page(ON_AIR, page[-1].room_id) if len(page) == PAGE else []
        for state in QUIET:
            await self._look_at_quiet(state, now_ms)
        await self._recorder.close(now_ms)
        self._versions = {id_: found for id_, found in self._versions.items() if id_ in seen}
        if now_ms >= self._count_ms:
            self._count_ms = now_ms + COUNT_MS
            await self._count()

    async def _page(
        self, states: Sequence[RoomState], before: str, limit: int = PAGE
    ) -> list[Room]:
        async with session(self._deployment.sql) as connection:
            return await store.list_rooms(connection, states=states, before=before, limit=limit)

    async def _look_at_quiet(self, state: RoomState, now_ms: int) -> None:
        """Check the next page of quiet rooms."""
        async with session(self._deployment.sql) as connection:
            page = await store.heads_of_rooms(connection, state, self._before[state], QUIET_PAGE)
        self._before[state] = page[-1].room_id if len(page) == QUIET_PAGE else ""
        late_ms = now_ms - self._live.expire_after_s * 1000
        for head, (versions, has_people) in zip(page, await self._read_quiet(page), strict=True):
            if versions == (head.version, head.bars_version):
                self._versions[head.room_id] = (head.version, head.bars_version)
            late = state is RoomState.SCHEDULED and head.starts_ms < late_ms
            if has_people or late or versions != (head.version, head.bars_version):
                await self._look_by_itself(self._look_closer(head.room_id, now_ms), head.room_id)
            else:
                self._failing.pop(head.room_id, None)

    async def _look_closer(self, room_id: str, now_ms: int) -> None:
        async with session(self._deployment.sql) as connection:
            room = await store.find_room(connection, room_id)
        if room is not None:
            await self._look_at(room, now_ms)

    async def _read_quiet(
        self, page: Sequence[RoomHead]
    ) -> list[tuple[tuple[int, int] | None, bool]]:
        """The versions of these rooms in Redis, and whether they have counts of people.

        Plain commands in one pipeline: scripts would cost ten times as much.
        """
        if not page:
            return []
        try:
            async with self._deployment.redis.pipeline(transaction=False) as together:
                for head in page:
                    key = RoomKeys.of(head.room_id).room_key
                    together.hmget(key, ["version", "bars_version", "told_people"])
                found = await together.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        return [_quiet(row) for row in found]

    async def _count(self) -> None:
        async with session(self._deployment.sql) as connection:
            counts = await store.count_rooms(connection, TOLD_ROOMS)
        for state in TOLD_ROOMS:
            self._metrics.rooms.labels(state).set(counts.get(state, 0))

    async def _look_by_itself(self, look: Awaitable[None], room_id: str) -> None:
        """Check one room. A fault of this room does not delay the others."""
        try:
            await look
        except FOR_ALL:
            raise
        except Exception as fault:
            self._metrics.faults.inc()
            self._note_failing(room_id, note_fault("rooms: look", fault, about=room_id))
        else:
            self._failing.pop(room_id, None)

    def _note_failing(self, room_id: str, reason: str) -> None:
        self._failing[room_id] = reason
        if len(self._failing) > MAX_FAILING:
            del self._failing[next(iter(self._failing))]

    async def _look_at(self, room: Room, now_ms: int) -> None:
        counted = await self._report(room.room_id)
        versions = (room.version, room.bars_version)
        if counted is None or self._versions.get(room.room_id) != versions:
            await self._copy.revive(room.room_id)
            self._versions[room.room_id] = versions
            counted = counted or await self._report(room.room_id)
        if counted is None:
            return  # lost again: retry at the next look
        await self._recorder.look_at(room, counted.people, now_ms)
        verb = self._verb_for(room, counted.silence_ms, now_ms)
        if verb is None or (await self._clock.look()).doubted:  # the clock may have stepped since
            return
        silence_ms = counted.silence_ms
        log.info(
            "a room changed its state by time",
            room_id=room.room_id,
            verb=verb,
            silence_ms=silence_ms,
        )
        try:
            await self._lifecycle.act(room.room_id, verb)
        except RoomRefused:
            return  # its host or another keeper was faster

    async def _report(self, room_id: str) -> Counted | None:
        return await self._copy.people.report(room_id, NOBODY, tick_ms=self._live.people_ms)

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


def _quiet(row: object) -> tuple[tuple[int, int] | None, bool]:
    """The versions of the room and of its bars in Redis (None: missing or unreadable), and
    whether its viewers were told that people are there."""
    if not isinstance(row, list) or None in row[:2]:
        return None, False
    version, bars_version, people = row
    return (int(version), int(bars_version)), people is not None and NOBODY_THERE not in people
