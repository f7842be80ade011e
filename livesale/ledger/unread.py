"""Reads the part of a partition's log that SQL does not hold, completely or not at all."""

from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from livesale.errors import LivesaleError
from stock.entries import LogEntry, decode
from stock.errors import LogCorrupt
from stock.ids import START
from stock.log import LogReader, RawEntry

PAGE = 500
MAX_ENTRIES = 500_000


class LogTrimmed(LivesaleError):
    """The writer trimmed the log meanwhile: read again from SQL's present offset."""


class TailTooLong(LivesaleError):
    """SQL is too far behind: the comparison would not fit into memory."""


async def read_tail(redis: "Redis", key: str, offset: str, until: str) -> AsyncIterator[LogEntry]:
    """The entries with `offset < id <= until`, without corrupt ones.

    Every page begins with the last entry of the page before. While that is still in the log,
    nothing after it was trimmed, because trimming removes from the front. Raises LogTrimmed or
    TailTooLong; and LogTooNew, because a comparison needs every entry.
    """
    last, seen = offset, 0
    while True:
        reply: Any = await redis.xrange(key, last, until, PAGE + 1)
        page: list[RawEntry] = reply
        if last == START:
            info = await LogReader(redis, key).info()
            if info.entries_added != info.length:
                raise LogTrimmed
        elif not page or page[0][0] != last:
            raise LogTrimmed
        else:
            page = page[1:]
        for entry_id, fields in page:
            try:
                yield decode(entry_id, fields)
            except LogCorrupt:
                continue  # the writer will quarantine it; it is not part of the books
        seen += len(page)
        if seen > MAX_ENTRIES:
            raise TailTooLong(f"SQL is more than {MAX_ENTRIES} entries behind the log")
        if len(page) < PAGE:
            return
        last = page[-1][0]
