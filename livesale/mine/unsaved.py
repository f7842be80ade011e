"""The reservations that SQL does not have yet: a new hold is seen while SQL is away.

What was acknowledged is in the log or in SQL (I4). Redis has no list of a buyer's reservations, and
reserving writes none. So a worker reads the log after SQL's offset when a buyer asks, once for all
who wait, and forgets what SQL has. With SQL at hand this is next to nothing; without it, the newest
`MAX_ROWS` are kept.
"""

import asyncio
from collections import deque

from msgspec import Struct
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.ledger.tables import log_offsets
from livesale.resources import Deployment
from stock.entries import Granted, Reserved, decode
from stock.errors import LogCorrupt, LogTooNew
from stock.ids import START, id_key
from stock.log import LogReader, RawEntry
from stock.model import Reservation

SQL_S = 1.0
AGAIN_S = 5.0  # after SQL did not answer
PAGE = 50  # entries in one read, each of up to 256 reservations
MAX_PAGES = 20  # of one partition, for one request: what is left is for the next
FIRST = 1_000  # entries that are read of a long log
MAX_ROWS = 50_000
KINDS = ("reserve", "line_hold", "grant")


class Unsaved(Struct, frozen=True, gc=False):
    """A reservation as it began, and when."""

    reservation: Reservation
    created_ms: int


class Found(Struct, frozen=True):
    """`whole`: whether nothing of this buyer's can be missing."""

    reservations: list[Unsaved]
    whole: bool


class _Partition:
    """What is read of one log: `after` is the last entry, `gap` the last one that is left out."""

    def __init__(self, reader: LogReader) -> None:
        self.reader = reader
        self.after = START
        self.gap = START
        self.offset = START  # of SQL
        self.behind = False
        self.rows: deque[tuple[str, Unsaved]] = deque()

    @property
    def whole(self) -> bool:
        return not self.behind and id_key(self.gap) <= id_key(self.offset)


class UnsavedReservations:
    """One per process. `of` raises redis.exceptions.RedisError."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._redis: Redis = deployment.redis
        self._partitions = [
            _Partition(LogReader(deployment.redis, deployment.keyspace.log(number)))
            for number in range(deployment.keyspace.partitions)
        ]
        self._of: dict[str, dict[str, Unsaved]] = {}
        self._rows = 0
        self._reading = asyncio.Lock()
        self._began_s = 0.0  # the last whole reading
        self._ask_again_s = 0.0  # SQL, after it did not answer

    def __len__(self) -> int:
        return self._rows

    async def of(self, buyer_id: str) -> Found:
        """Read it before the orders in SQL: what has gone from here is there."""
        clock = asyncio.get_running_loop().time
        asked_s = clock()
        async with self._reading:
            if asked_s > self._began_s:  # those who asked before it share a reading
                began_s = clock()
                await self._read()
                self._began_s = began_s
        whole = all(one.whole for one in self._partitions)
        return Found(list(self._of.get(buyer_id, {}).values()), whole)

    async def _read(self) -> None:
        await self._ask_sql()
        for one in self._partitions:
            self._forget_saved(one)
            if id_key(one.after) < id_key(one.offset):
                one.after = one.offset
            if one.after == START:
                await self._begin(one)
        for one, page in zip(self._partitions, await self._first_pages(), strict=True):
            await self._follow(one, page)

    async def _first_pages(self) -> list[list[RawEntry]]:
        """The next entries of each log, by one pipeline: there may be a hundred logs."""
        async with self._redis.pipeline(transaction=False) as together:
            for one in self._partitions:
                together.xread({one.reader.key: one.after}, count=PAGE)
            replies = await together.execute()
        return [[entry for _, found in reply or [] for entry in found] for reply in replies]

    async def _ask_sql(self) -> None:
        """SQL's place in each log. Without SQL the last known one stays."""
        clock = asyncio.get_running_loop().time
        if clock() < self._ask_again_s:
            return
        try:
            async with asyncio.timeout(SQL_S), session(self._sql) as connection:
                query = select(log_offsets.c.partition, log_offsets.c.offset)
                for partition, offset in await connection.execute(query):
                    if partition < len(self._partitions):
                        self._partitions[partition].offset = offset
        except (StoreUnavailable, TimeoutError):
            self._ask_again_s = clock() + AGAIN_S

    async def _follow(self, one: _Partition, page: list[RawEntry]) -> None:
        """Take a page, and those after it, if there are more."""
        for left in range(MAX_PAGES, 0, -1):
            self._take(one, page)
            one.behind = len(page) == PAGE
            if not one.behind or left == 1:
                return
            await asyncio.sleep(0)
            page = await one.reader.read(one.after, PAGE)

    async def _begin(self, one: _Partition) -> None:
        """Without SQL's place: the whole log, or the end of a long one."""
        page = await one.reader.last(FIRST)
        if len(page) == FIRST:
            one.gap = page[0][0]
        self._take(one, page)

    def _take(self, one: _Partition, page: list[RawEntry]) -> None:
        for entry_id, fields in page:
            one.after = entry_id
            if fields.get("k") not in KINDS:
                continue
            try:
                entry = decode(entry_id, fields)
            except (LogCorrupt, LogTooNew):
                continue
            for row in entry.rows:
                if isinstance(row, Reserved):
                    self._add(one, entry_id, Unsaved(row.reservation(), entry.at_ms))
                elif isinstance(row, Granted) and row.before is None:
                    self._add(one, entry_id, Unsaved(row.reservation(entry.at_ms), entry.at_ms))

    def _add(self, one: _Partition, entry_id: str, new: Unsaved) -> None:
        one.rows.append((entry_id, new))
        self._of.setdefault(new.reservation.buyer_id, {})[new.reservation.rid] = new
        self._rows += 1
        if self._rows > MAX_ROWS:
            fullest = max(self._partitions, key=lambda some: len(some.rows))
            fullest.gap = fullest.rows[0][0]
            self._forget_first(fullest)

    def _forget_saved(self, one: _Partition) -> None:
        offset = id_key(one.offset)
        while one.rows and id_key(one.rows[0][0]) <= offset:
            self._forget_first(one)

    def _forget_first(self, one: _Partition) -> None:
        _, old = one.rows.popleft()
        self._rows -= 1
        own = self._of.get(old.reservation.buyer_id, {})
        own.pop(old.reservation.rid, None)
        if not own:
            self._of.pop(old.reservation.buyer_id, None)
