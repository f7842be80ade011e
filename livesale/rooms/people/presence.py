"""Counts viewers and likes in one worker and reports them to Redis, which adds them up.

A worker reports a room after a change, but not more often than the room sends counts, and at least
every second: if a worker is silent for its lease, its viewers no longer count. Likes add up between
two reports. A report with an unknown outcome is repeated with the same number.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from msgspec import Meta, Struct

from livesale.errors import LivesaleError
from livesale.resources import Deployment
from livesale.rooms.copy import RoomCopy
from livesale.rooms.people.events import PeopleView
from livesale.rooms.people.metrics import LIKES
from livesale.rooms.people.scripts import NOBODY, Report
from livesale.tasks import Tasks
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown
from stock.errors import StockError

LOOK_S = 0.1  # pause between two checks for changes
BEAT_S = 1.0  # pause between two reports without a change
RETRY_S = 0.5
LAST_S = 1.0  # for the last reports of a stopping worker
PEOPLE_S = 1.0  # cache time of counts

MAX_TAPS = 20

Taps = Annotated[int, Meta(ge=1, le=MAX_TAPS, description="taps since the last call")]

log = structlog.get_logger(__name__)


class _Count:
    """This worker's counts of one room."""

    __slots__ = ("busy", "due_s", "likes", "more", "sent", "told_s", "turn", "viewers")

    def __init__(self) -> None:
        self.likes = 0  # since the report `sent`
        self.sent: Report | None = None  # the report with an unknown outcome
        self.viewers = 0  # as last reported
        self.turn = 0
        self.told_s = float("-inf")
        self.due_s = float("-inf")  # earliest time of the next report
        self.more = False  # whether Redis has counts that the room has not got
        self.busy = False


class NewLikes(Struct, frozen=True, forbid_unknown_fields=True):
    count: Taps = 1


class Presence:
    """One per worker, inside `running`. `viewers` returns the viewers of each room here."""

    def __init__(
        self, deployment: Deployment, copy: RoomCopy, viewers: Callable[[], Mapping[str, int]]
    ) -> None:
        self._copy = copy
        self._viewers = viewers
        self._tick_ms = deployment.settings.live.people_ms
        self._worker = secrets.token_hex(6)
        self._counts: dict[str, _Count] = {}
        self._tasks = Tasks()
        self._people: TtlCache[PeopleView] = TtlCache(self._look, ttl_s=PEOPLE_S)

    def like(self, room_id: str, count: int) -> None:
        """Add likes to an existing room."""
        self._counts.setdefault(room_id, _Count()).likes += count
        LIKES.inc(count)

    async def people(self, room_id: str) -> PeopleView:
        """The counts of a room, at most a second old. Raises Unknown or the faults of stock.errors
        and StoreUnavailable."""
        found = await self._people.get(room_id)
        if found is None:
            raise Unknown("unknown_room")
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report until the end of the block; then report zero viewers."""
        self._tasks.repeat("rooms: people", self._keep_reporting)
        try:
            yield
        finally:
            await self._tasks.close(finish_s=LAST_S)
            await self._part()

    async def _keep_reporting(self) -> float:
        self._report_what_is_due(self._viewers())
        return LOOK_S

    def _report_what_is_due(self, viewers: Mapping[str, int]) -> None:
        now = asyncio.get_running_loop().time()
        for room_id in viewers:
            self._counts.setdefault(room_id, _Count())
        for room_id, count in list(self._counts.items()):
            here = viewers.get(room_id, 0)
            news = count.sent or count.likes or count.more or here != count.viewers
            if not news and not here:
                if not count.busy and now - count.told_s > BEAT_S:
                    del self._counts[room_id]
            elif not count.busy and now >= count.due_s and (news or now - count.told_s > BEAT_S):
                count.busy = True
                report = self._report(room_id, count, here)
                self._tasks.errand("rooms: report", report, about=room_id)

    async def _report(self, room_id: str, count: _Count, viewers: int) -> None:
        """Send one report; then set the earliest time of the next."""
        clock = asyncio.get_running_loop().time
        if count.sent is None:
            count.turn += 1
            count.sent = Report(self._worker, viewers, count.likes, count.turn)
            count.likes = 0
        wait_s = RETRY_S
        try:
            answer = await self._copy.people.report(room_id, count.sent, tick_ms=self._tick_ms)
            if answer is None:
                await self._copy.revive(room_id)
            else:
                count.viewers, count.sent, count.told_s = count.sent.viewers, None, clock()
                count.more = answer.wait_ms > 0
                wait_s = (answer.wait_ms or self._tick_ms) / 1000
        except Unknown:
            count.sent = None
        except (StockError, LivesaleError) as fault:
            log.debug("the counts of a room are kept for later", room_id=room_id, reason=str(fault))
        finally:
            count.due_s = clock() + wait_s
            count.busy = False

    async def _part(self) -> None:
        """The last report of each room: no viewers."""
        try:
            async with asyncio.timeout(LAST_S):
                await asyncio.gather(*(self._leave(*pair) for pair in self._counts.items()))
        except TimeoutError:
            log.info("the last counts of rooms were not saved: they end with their lease")

    async def _leave(self, room_id: str, count: _Count) -> None:
        if count.sent is not None:  # unknown outcome: repeat it unchanged first
            await self._report(room_id, count, 0)
        if count.sent is None:
            await self._report(room_id, count, 0)

    async def _look(self, room_id: str) -> PeopleView | None:
        answer = await self._copy.with_room(
            room_id,
            lambda: self._copy.people.report(room_id, NOBODY, tick_ms=self._tick_ms),
            lambda answer: answer is None,
        )
        return answer.people if answer else None
