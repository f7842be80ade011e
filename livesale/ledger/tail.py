"""Reads the end of one partition's log in batches: reads one while another is committed.

The read blocks in Redis, so a new entry wakes the writer at once and an idle log costs nothing.
Memory is bounded: a read takes about as many entries as recent batches had. It stops before an
entry of a later version.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping

from msgspec import Struct
from redis.asyncio import Redis

from livesale.tasks import errand
from stock.connection import Greeting, connect
from stock.entries import LogEntry, decode
from stock.errors import LogCorrupt, LogTooNew
from stock.log import LogReader

CONNECTIONS = 2  # of one reader
BLOCK_MS = 1_000
QUIET_BLOCK_MS = 4_000  # where many logs are read: so that 64 quiet ones wake nobody all the time
FEW = 8
FIRST_COUNT = 32  # entries in the first reads, before we know their size


class Item(Struct, frozen=True):
    """A log entry: decoded, or the reason why it is corrupt."""

    id: str
    fields: Mapping[str, str]
    entry: LogEntry | None
    reason: str = ""

    @property
    def payload(self) -> str:
        """The raw entry as ASCII JSON: bytes that are not UTF-8 become surrogates."""
        return json.dumps(dict(self.fields))


def block_ms_of(partitions: int) -> int:
    """How long a read of a quiet log may block, in a deployment with so many partitions."""
    return BLOCK_MS if partitions <= FEW else QUIET_BLOCK_MS


def connect_reader(
    url: str, timeout_s: float, greet: Greeting | None = None, *, block_ms: int = BLOCK_MS
) -> "Redis":
    """A client with two connections: one may block for `block_ms`, one is for queries."""
    timeout_s += block_ms / 1000
    return connect(url, connections=CONNECTIONS, timeout_s=timeout_s, greet=greet)


class Tail:
    """Reads from `after` on. For one task at a time; `close` ends the running read."""

    def __init__(
        self, log: LogReader, after: str, max_rows: int, *, block_ms: int = BLOCK_MS
    ) -> None:
        self._log = log
        self._after = after
        self._max_rows = max_rows
        self._block_ms = block_ms
        self.waits = False  # for an entry that nobody has made yet
        self._count = min(FIRST_COUNT, max_rows)
        self._ready: deque[Item] = deque()
        self._at_end = True  # the last read found fewer entries than it asked for
        self._ahead: asyncio.Task[None] | None = None
        self._end: LogTooNew | None = None  # the entry after `_ready`

    async def batch(self, stop: asyncio.Event) -> list[Item]:
        """The next entries, in order, at most `max_rows` rows but at least one entry.

        Empty after `block_ms` without an entry, or if `stop` comes first. Raises LogTooNew before
        an entry of a later version, and redis.exceptions.RedisError.
        """
        if not self._ready and self._end is None:
            await self._wait(stop)
        if not self._ready and self._end is not None:
            raise self._end
        if self._ready and self._at_end and sum(map(_rows, self._ready)) < self._max_rows:
            # The entry that woke us may be the first of many: read again.
            await self._read(None)
        return self._cut()

    def read_ahead(self) -> None:
        """Begin the next read while the caller is busy with a batch."""
        if not self._ready and self._ahead is None and self._end is None:
            self._ahead = errand("read the log", self._read(self._block_ms), awaited=True)

    async def close(self) -> None:
        """Cancel the running read."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
            self._ahead = None

    async def _wait(self, stop: asyncio.Event) -> None:
        if self._ahead is None:
            self._ahead = errand("read the log", self._read(self._block_ms), awaited=True)
        stopped = errand("wait for the stop", stop.wait())
        self.waits = True
        try:
            await asyncio.wait({self._ahead, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waits = False
            stopped.cancel()
        if not self._ahead.done():
            return
        done, self._ahead = self._ahead, None
        done.result()

    async def _read(self, block_ms: int | None) -> None:
        if self._end is not None:
            return
        raw = await self._log.read(self._after, self._count, block_ms)
        self._at_end = len(raw) < self._count
        items: list[Item] = []
        try:
            for entry_id, fields in raw:
                items.append(read_item(entry_id, fields))
        except LogTooNew as end:
            self._end = end
        if not items:
            return
        self._after = items[-1].id
        self._ready.extend(items)
        rows = sum(map(_rows, items))
        self._count = max(1, min(self._max_rows, self._max_rows * len(items) // rows))

    def _cut(self) -> list[Item]:
        batch: list[Item] = []
        rows = 0
        while self._ready and (not batch or rows + _rows(self._ready[0]) <= self._max_rows):
            item = self._ready.popleft()
            rows += _rows(item)
            batch.append(item)
        return batch


def _rows(item: Item) -> int:
    if item.entry is None or item.entry.kind == "line_join":
        return 1  # SQL has the people of an entry in one row
    return max(1, len(item.entry.rows))


def read_item(entry_id: str, fields: Mapping[str, str]) -> Item:
    """Decode an entry if possible. Raises LogTooNew."""
    try:
        return Item(entry_id, fields, decode(entry_id, fields))
    except LogCorrupt as why:
        return Item(entry_id, fields, None, str(why))
