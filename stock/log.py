"""The reader of one partition's log: a Redis stream that only scripts append to."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from stock.ids import START

RawEntry = tuple[str, Mapping[str, str]]


class LogInfo(Struct, frozen=True):
    """The state of a stream. All ids are `0-0` for a stream that was never written."""

    last_id: str = START
    first_id: str = START  # first remaining entry
    entries_added: int = 0
    length: int = 0


def info_of(found: Mapping[str, Any]) -> LogInfo:
    """What XINFO STREAM answered."""
    first = found["first-entry"]
    return LogInfo(
        last_id=found["last-generated-id"],
        first_id=first[0] if first else START,
        entries_added=found["entries-added"],
        length=found["length"],
    )


def is_no_stream(error: Exception) -> bool:
    """Whether XINFO STREAM means that nothing was ever written."""
    return isinstance(error, ResponseError) and "no such key" in str(error)


class LogReader:
    """Reads, measures and trims one stream. Holds no position: the offset lives in SQL."""

    def __init__(self, redis: "Redis", key: str) -> None:
        self._redis = redis
        self.key = key

    async def read(self, after: str, count: int, block_ms: int | None = None) -> list[RawEntry]:
        """Up to `count` entries after an id; waits up to `block_ms` for the first one.

        Raises redis.exceptions.ConnectionError or TimeoutError.
        """
        reply: Any = await self._redis.xread({self.key: after}, count=count, block=block_ms)
        return [entry for _, entries in reply or [] for entry in entries]

    async def between(self, after: str, until: str, count: int | None = None) -> list[RawEntry]:
        """The entries with `after < id <= until`."""
        entries: Any = await self._redis.xrange(self.key, f"({after}", until, count)
        return list(entries)

    async def last(self, count: int) -> list[RawEntry]:
        """The last entries, the oldest first."""
        entries: Any = await self._redis.xrevrange(self.key, count=count)
        return list(reversed(entries))

    async def info(self) -> LogInfo:
        """The present state of the stream."""
        try:
            return info_of(await self._redis.xinfo_stream(self.key))
        except ResponseError as error:
            if is_no_stream(error):
                return LogInfo()
            raise

    async def trim(self, offset: str) -> int:
        """Remove entries before `offset`, which SQL holds. The entry at the offset stays."""
        trimmed: int = await self._redis.xtrim(self.key, minid=offset, approximate=True)
        return trimmed
