"""Sends rooms the changes of their drops: follows the log of one partition.

Each log entry has the books after it, so the director keeps only the last books of each drop. It
sends a change of state at once, and counts five times a second. It has no state that a crash could
lose: the room's own keys say what was sent last, and the script compares. So any number of
directors may run. One that starts, or has fallen behind the log, reads its drops and continues from
there. While the log has entries of a later version, it does so once a second, so counts are up to a
second old.
"""

import asyncio
import contextlib
import heapq
from collections.abc import Mapping

import structlog
from msgspec import Struct, structs

from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Drop
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.ledger.states import DRAFT
from livesale.ledger.tail import BLOCK_MS, block_ms_of, connect_reader
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import TICK_MS, RoomCopy
from livesale.rooms.scripts import DropNews, TellCode
from livesale.rooms.states import ON_AIR, OVER, RoomState
from livesale.rooms.views import news_of_drop
from livesale.tasks import Tasks, Works, errand, note_fault
from livesale.tasks.clock_steps import StepWatch
from stock.entries import STATE_CHANGES, VERSION, is_known, read_books
from stock.errors import LogCorrupt, LogTooNew, NotSent, OutcomeUnknown, ServerRefuses
from stock.ids import id_key
from stock.log import LogReader, RawEntry
from stock.model import DropState

COUNT = 1_000  # entries in one read
MAX_DROPS = 10_000  # drops without a room that we remember
AT_ONCE = 16  # drops that we send or read concurrently
PAGE = 500  # drops in one SQL query
TELL_AGAIN_S = 0.5  # after a fault
# Faults of the stores: they affect all rooms and drops.
FOR_ALL = (StoreUnavailable, NotSent, OutcomeUnknown, ServerRefuses)
# The entries of a line that change its state.
LINE_CHANGES = {"line_open", "line_close", "line_end", "line_revive"}
# Between two checks of Redis's clock, and of drops with log entries of a later version.
LOOK_S = 1.0

log = structlog.get_logger(__name__)

TOLD_ROOMS = (RoomState.SCHEDULED, *ON_AIR, RoomState.BANNED)


class DropProgress(Struct):
    """The last known state of one drop of a room, and when to send it."""

    room_id: str
    news: DropNews
    line_changed: bool = True  # its line is to be read, and sent
    due_s: float | None = None  # loop time; None if there is nothing to send
    free_s: float = 0.0  # loop time from which we may send the next count


class Director:
    """One per partition and process. `run` ends when `stop` is set."""

    def __init__(self, deployment: Deployment, partition: int, copy: RoomCopy) -> None:
        self._deployment = deployment
        self._partition = partition
        self._copy = copy
        self._progress: dict[str, DropProgress] = {}
        # A heap of (due_s, drop), with outdated entries. Quiet drops cost nothing here.
        self._due: list[tuple[float, str]] = []
        self._roomless: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._unsure: set[str] = set()  # drops to read again; "" is all of them
        self._look_s = 0.0  # loop time from which we may read them
        self._clock = StepWatch(deployment.engine, partition)
        self._clock_s = 0.0  # loop time of the next clock check

    async def run(self, stop: asyncio.Event, works: Works) -> None:
        """Follow the log and send until `stop` or a fault. Each run starts from the present."""
        timeout_s = self._deployment.settings.redis.timeout_ms / 1000
        block_ms = block_ms_of(self._deployment.keyspace.partitions)
        redis = connect_reader(self._deployment.redis_url, timeout_s, block_ms=block_ms)
        reader = LogReader(redis, self._deployment.keyspace.log(self._partition))
        try:
            after = (await reader.info()).last_id
            await self._look_at_all()
            async with Tasks() as tasks:
                tasks.keep("rooms: tell", self._keep_telling, about=f"p{self._partition:02d}")
                await self._read(reader, after, stop, works)
        finally:
            await redis.aclose()

    async def _read(self, reader: LogReader, after: str, stop: asyncio.Event, works: Works) -> None:
        while not stop.is_set():
            await self._look_at_unsure()
            if self._progress:
                await self._follow_clock()
            entries = await self._read_page(reader, after, stop)
            works()
            if not entries:
                continue
            # Trimming can overtake us only while we read full pages.
            if len(entries) == COUNT and id_key((await reader.info()).first_id) > id_key(after):
                log.warning("the log was trimmed before it was read", partition=self._partition)
                await self._look_at_all()
            await self._take_in(entries)
            after = entries[-1][0]

    async def _read_page(
        self, reader: LogReader, after: str, stop: asyncio.Event
    ) -> list[RawEntry]:
        """The next entries; none after a while, or at `stop`."""
        partitions = self._deployment.keyspace.partitions
        quiet = not self._progress and not self._unsure
        block_ms = block_ms_of(partitions) if quiet else BLOCK_MS
        page = errand("read the log", reader.read(after, COUNT, block_ms), awaited=True)
        stopped = errand("wait for the stop", stop.wait())
        try:
            await asyncio.wait({page, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return page.result() if page.done() else []
        finally:
            page.cancel()
            stopped.cancel()

    async def _look_at_all(self) -> None:
        """Read the present state of every drop whose room is not over."""
        async with session(self._deployment.sql) as connection:
            found = await store.drops_in_rooms(connection, self._partition, TOLD_ROOMS)
        rooms = dict(found)
        for start in range(0, len(found), PAGE):
            async with session(self._deployment.sql) as connection:
                page = [drop_id for drop_id, _ in found[start : start + PAGE]]
                drops = await catalogue.find_drops(connection, page)
            for first in range(0, len(drops), AT_ONCE):
                some = drops[first : first + AT_ONCE]
                await asyncio.gather(*(self._begin(drop, rooms[drop.drop_id]) for drop in some))

    async def _look_at(self, drop_id: str) -> None:
        async with session(self._deployment.sql) as connection:
            drop = await catalogue.find_drop(connection, drop_id)
        if drop is None or drop.room_id is None:  # a draft that was deleted or taken back
            self._progress.pop(drop_id, None)
            return
        await self._begin(drop, drop.room_id)

    async def _begin(self, drop: Drop, room_id: str) -> None:
        """Read the present state of one drop, and send it."""
        # A draft is not in Redis: if it opens meanwhile, the log has an entry.
        is_draft = drop.state == DRAFT
        try:
            snapshot = None if is_draft else await self._deployment.engine.snapshot(drop.drop_id)
        except FOR_ALL:
            raise
        except Exception as fault:  # a fault of this drop: the others continue
            note_fault("rooms: tell", fault, about=drop.drop_id)
            return
        self._progress[drop.drop_id] = DropProgress(room_id, news_of_drop(drop, snapshot))
        self._remind(drop.drop_id, 0.0)

    def _remind(self, drop_id: str, due_s: float) -> None:
        """Send the state of a drop at this time, or earlier if it is due earlier."""
        progress = self._progress[drop_id]
        if progress.due_s is None or due_s < progress.due_s:
            progress.due_s = due_s
            heapq.heappush(self._due, (due_s, drop_id))
        self._wake.set()

    def _take_due(self, now_s: float) -> list[tuple[str, DropProgress]]:
        """The drops that are due, each once."""
        found: dict[str, DropProgress] = {}
        while self._due and self._due[0][0] <= now_s:
            due_s, drop_id = heapq.heappop(self._due)
            progress = self._progress.get(drop_id)
            if progress is not None and progress.due_s == due_s:  # else the entry is outdated
                found[drop_id] = progress
        return list(found.items())

    async def _take_in(self, entries: list[RawEntry]) -> None:
        await self._meet({fields.get("d", "") for _, fields in entries})
        for entry_id, fields in entries:
            drop_id, kind = fields.get("d", ""), fields.get("k")
            progress = self._progress.get(drop_id)
            if not is_known(fields):
                self._doubt(entry_id, fields)
                continue
            if progress is None or id_key(entry_id) <= id_key(progress.news.log_id):
                continue
            if kind == "open":  # its terms are new
                await self._look_at(drop_id)
            else:
                self._fold(drop_id, progress, entry_id, fields)

    def _doubt(self, entry_id: str, fields: Mapping[str, str]) -> None:
        """Handle an entry that we cannot read. Skip a corrupt one; for a later version, read the
        drop from Redis."""
        try:
            read_books(entry_id, fields)
        except LogCorrupt as why:  # the writer quarantines it; the next entry has the books
            log.warning("a log entry could not be sent to rooms", entry=entry_id, reason=str(why))
        except LogTooNew as why:
            if not self._unsure:
                log.warning("rooms poll their drops instead of reading the log", reason=str(why))
            same_version = fields.get("v") == VERSION
            self._unsure.add(fields.get("d", "") if same_version else "")

    async def _look_at_unsure(self) -> None:
        clock = asyncio.get_running_loop().time
        if not self._unsure or clock() < self._look_s:
            return
        self._look_s = clock() + LOOK_S
        unsure, self._unsure = self._unsure, set()
        if "" in unsure:
            await self._look_at_all()
            return
        for drop_id in unsure & self._progress.keys():
            await self._look_at(drop_id)

    async def _follow_clock(self) -> None:
        """If Redis's clock stepped, send the drops on sale again: a room may show a wrong opening
        time, or wait for an opening that has passed."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._clock_s:
            return
        self._clock_s = now_s + LOOK_S
        if not await self._clock.has_stepped():
            return
        log.warning("the clock of Redis stepped: informing rooms again", partition=self._partition)
        for drop_id, progress in self._progress.items():
            if progress.news.state == DropState.OPEN:
                self._remind(drop_id, 0.0)

    async def _meet(self, drop_ids: set[str]) -> None:
        """Find the rooms of these drops: final, because a drop gets its room before it opens."""
        strange = drop_ids - self._progress.keys() - self._roomless.keys()
        if not strange:
            return
        async with session(self._deployment.sql) as connection:
            found = await store.rooms_of_drops(connection, sorted(strange))
        for drop_id in strange:
            room_id = found.get(drop_id)
            if room_id is not None:
                await self._look_at(drop_id)
                continue
            self._roomless[drop_id] = None
            if len(self._roomless) > MAX_DROPS:
                del self._roomless[next(iter(self._roomless))]

    def _fold(
        self, drop_id: str, progress: DropProgress, entry_id: str, fields: Mapping[str, str]
    ) -> None:
        """Note a drop's state after an entry. Changes of state are sent at once, counts wait."""
        try:
            books = read_books(entry_id, fields)
        except (LogCorrupt, LogTooNew):
            self._doubt(entry_id, fields)
            return
        before, kind = progress.news, fields.get("k", "")
        state = STATE_CHANGES.get(kind, before.state)
        progress.news = structs.replace(
            before,
            log_id=entry_id,
            state=str(state),
            available=books.available,
            allotted=books.allotted,
        )
        is_line = kind in LINE_CHANGES
        progress.line_changed |= is_line
        at_once = (
            kind in STATE_CHANGES
            or is_line
            or books.allotted != before.allotted
            or (books.available == 0) != (before.available == 0)
        )
        self._remind(drop_id, 0.0 if at_once else progress.free_s)

    async def _keep_telling(self, works: Works) -> None:
        """Send due drops, several at a time, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            works()
            self._wake.clear()
            due = self._take_due(clock())
            if due:
                for start in range(0, len(due), AT_ONCE):
                    page = due[start : start + AT_ONCE]
                    await asyncio.gather(*(self._try_to_tell(*pair) for pair in page))
                continue
            wait_s = max(0.0, self._due[0][0] - clock()) if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _try_to_tell(self, drop_id: str, progress: DropProgress) -> None:
        """Send a drop. A fault of it or its room does not delay the others."""
        try:
            await self._tell(drop_id, progress)
        except Exception as fault:
            note_fault("rooms: tell", fault, about=drop_id)
            if self._progress.get(drop_id) is progress:
                self._remind(drop_id, asyncio.get_running_loop().time() + TELL_AGAIN_S)

    async def _tell(self, drop_id: str, progress: DropProgress) -> None:
        clock = asyncio.get_running_loop().time
        news, progress.due_s = progress.news, None
        code, wait_ms = await self._copy.gateway.tell(progress.room_id, news, tick_ms=TICK_MS)
        if code is TellCode.UNKNOWN_ROOM:
            await self._find_room(drop_id, progress)
            return
        if progress.line_changed and news.state != DRAFT:
            progress.line_changed = False
            await self._tell_line(drop_id, progress)
        if code is TellCode.TOLD:
            progress.free_s = clock() + TICK_MS / 1000
        if wait_ms:
            self._remind(drop_id, clock() + wait_ms / 1000)

    async def _tell_line(self, drop_id: str, progress: DropProgress) -> None:
        """Send what the line in front of a drop has come to, if it has one."""
        try:
            line = await self._deployment.engine.line.snapshot(drop_id)
            if line is not None:
                await self._copy.gateway.tell_line(progress.room_id, line)
        except Exception:
            progress.line_changed = True
            raise

    async def _find_room(self, drop_id: str, progress: DropProgress) -> None:
        """Copy the room that Redis lacks, unless it is over."""
        async with session(self._deployment.sql) as connection:
            room = await store.find_room(connection, progress.room_id)
        if room is None or room.state in OVER:
            self._progress.pop(drop_id, None)
            self._roomless[drop_id] = None
            return
        await self._copy.revive(progress.room_id)
        self._remind(drop_id, 0.0)
