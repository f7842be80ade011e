"""Follows the logs of all partitions in one worker, for what became of reservations.

Reserving does nothing for it: each script already writes what it did, in the same step. A worker
whose buyers listen reads all logs by one blocking call, at most ten times a second (those on
several servers by one call to each, ten times a second), and does not look into the entries of
`reserve`. The writer keeps the log's last seconds; a worker that was away for longer finds the
entry where it stood missing, and says that changes may have been missed.
"""

import asyncio
from typing import Any
from zlib import crc32

import structlog
from redis.asyncio import Redis

from livesale.ledger.plan import refund_no_of
from livesale.ledger.tail import BLOCK_MS, connect_reader
from livesale.notices.events import (
    EndedView,
    EndingView,
    Notice,
    RefundChanged,
    RefundView,
    ReservationEnded,
    ReservationHeld,
    ReservationReturned,
    ReservationSold,
    ReturnedView,
    SoldView,
)
from livesale.notices.place import Position
from livesale.notices.service import Notices
from livesale.resources import Deployment
from livesale.tasks import Works
from stock.entries import (
    ENDED_AS,
    KINDS,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Reserved,
    TakenBack,
    decode,
)
from stock.errors import LogCorrupt, LogTooNew
from stock.ids import START, id_key
from stock.line.rows import HOLD
from stock.log import LogReader, RawEntry
from stock.model import ConfirmCode, HoldState
from stock.topology.router import RoutedRedis

HISTORY = 200  # entries of each log that a worker begins with
COUNT = 500  # entries of each log in one read
REST_S = 0.1  # between two reads
DOUBT_S = 30.0  # between two times that buyers read again because of entries of a later version
SLICE = 20  # entries between two of which the worker does other work
_TOLD = ("line_hold", "confirm", "grant", "release", "expire", "take_back")

log = structlog.get_logger(__name__)


class _Torn(Exception):
    """Entries may have been missed."""


def source_of(partition: int) -> str:
    return f"p{partition:02d}"


class LogFollower:
    """One per worker. `run` raises redis.exceptions.RedisError; then run it again."""

    def __init__(self, deployment: Deployment, notices: Notices) -> None:
        self._deployment = deployment
        self._notices = notices
        space = deployment.keyspace
        self._sources = {space.log(number): source_of(number) for number in range(space.partitions)}
        self._after: dict[str, str] = {}  # by the log's key
        self._epochs: dict[str, str] = {}
        self._doubt = False
        self._doubted_s = 0.0

    async def run(self, works: Works) -> None:
        """Follow while anybody listens, for ever."""
        while True:
            if not self._notices.wanted.is_set():
                works()
                await self._notices.wanted.wait()
            timeout_s = self._deployment.settings.redis.timeout_ms / 1000
            redis = connect_reader(self._deployment.redis_url, timeout_s)
            try:
                await self._follow(redis, works)
            finally:
                await redis.aclose()
            self._after.clear()
            self._notices.rest()

    async def _follow(self, redis: Redis, works: Works) -> None:
        """Until nobody has listened for a while."""
        if not self._after or await self._read_epochs(redis) != self._epochs:
            await self._begin(redis)
        while not self._notices.idle:
            try:
                await self._read(redis)
            except _Torn as why:
                log.warning("buyers read again: changes may have been missed", reason=str(why))
                await self._begin(redis)
            works()

    async def _read_epochs(self, redis: Redis) -> dict[str, str]:
        """The epoch of each partition, by the key of its log."""
        space = self._deployment.keyspace
        return {
            space.log(number): str(await redis.get(space.epoch(number)) or "")
            for number in range(space.partitions)
        }

    async def _begin(self, redis: Redis) -> None:
        """Begin with the end of each log, so that clients of other workers can go on here."""
        self._epochs = await self._read_epochs(redis)
        epoch = f"{crc32(repr(sorted(self._epochs.items())).encode()):08x}"
        floors: dict[str, Position] = {}
        pages: dict[str, list[RawEntry]] = {}
        for key, source in self._sources.items():
            reader = LogReader(redis, key)
            before, page, after = (
                await reader.info(),
                await reader.last(HISTORY),
                await reader.info(),
            )
            is_whole = after.entries_added == after.length and len(page) < HISTORY
            first = page[0][0] if page else before.last_id
            floors[source] = id_key(START if is_whole else first)
            pages[key] = page
            self._after[key] = page[-1][0] if page else (START if is_whole else before.last_id)
        self._notices.begin(floors, epoch)
        for key, page in pages.items():
            await self._take(key, page)
        self._notices.begun(*floors)
        self._notices.flush()

    async def _read(self, redis: Redis) -> None:
        """Read once, and tell. Raises _Torn."""
        pages = await self._read_pages(redis)
        for key in pages:
            # While the last entry that we know is there, nothing behind it was trimmed.
            after = self._after[key]
            if after == START:
                info = await LogReader(redis, key).info()
                is_whole = info.entries_added == info.length
            else:
                is_whole = bool(await redis.xrange(key, after, after))
            if not is_whole:
                raise _Torn(f"{key} lacks {after}")
            if {fields.get("e") for _, fields in pages[key]} - {self._epochs[key]}:
                raise _Torn(f"{key} has another epoch")
        for key, page in pages.items():
            await self._take(key, page)
            self._after[key] = page[-1][0]
        self._notices.flush()
        now_s = asyncio.get_running_loop().time()
        if self._doubt and now_s > self._doubted_s + DOUBT_S:
            self._doubt, self._doubted_s = False, now_s
            raise _Torn("entries of a later version")
        has_waited = not pages and not isinstance(redis, RoutedRedis)
        if not has_waited and all(len(page) < COUNT for page in pages.values()):
            await asyncio.sleep(REST_S)

    async def _read_pages(self, redis: Redis) -> dict[str, list[RawEntry]]:
        """New entries by the key of their log. One server wakes us when there are some; several
        are asked, because one blocking call cannot cover them."""
        places: Any = self._after
        if not isinstance(redis, RoutedRedis):
            reply: Any = await redis.xread(places, count=COUNT, block=BLOCK_MS)
            return dict(reply or [])
        async with redis.pipeline(transaction=False) as together:
            for key, after in self._after.items():
                together.xread({key: after}, count=COUNT)
            return dict(page for reply in await together.execute() for page in reply or [])

    async def _take(self, key: str, page: list[RawEntry]) -> None:
        source = self._sources[key]
        for number, (entry_id, fields) in enumerate(page, 1):
            position, kind = id_key(entry_id), fields.get("k", "")
            if kind in _TOLD or kind not in KINDS:
                try:
                    self._tell(source, position, decode(entry_id, fields))
                except LogTooNew:
                    self._doubt = True
                except LogCorrupt:
                    pass  # the writer quarantines it: it says nothing of anybody
            self._notices.recent.move(source, position)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _tell(self, source: str, position: Position, entry: LogEntry) -> None:
        """All rows of an entry, without an await in between: they have one position."""
        for row in entry.rows:
            told = _notice_of(entry, row)
            if told is not None:
                thing, buyer_id, notice = told
                self._notices.take(source, position, buyer_id, thing, notice)


def _notice_of(entry: LogEntry, row: object) -> tuple[str, str, Notice] | None:
    """What a row means to its buyer: the thing, the buyer, the notice."""
    at_ms, drop_id = entry.at_ms, entry.drop_id
    match row:
        case Confirmed(code=ConfirmCode.REFUND_DUE):
            number = refund_no_of(row.payment_id)
            refund = RefundView(number, row.rid, drop_id, row.amount_fen, "due")
            return number, row.buyer_id, RefundChanged(at_ms=at_ms, refund=refund)
        case Confirmed() | Granted():
            won = isinstance(row, Granted)
            sold = SoldView(
                *(row.rid, drop_id, HoldState.SOLD, row.quantity),
                amount_fen=0 if isinstance(row, Granted) else row.amount_fen,
                late=isinstance(row, Confirmed) and row.code is ConfirmCode.LATE_SOLD,
                won=won,
            )
            return row.rid, row.buyer_id, ReservationSold(at_ms=at_ms, reservation=sold)
        case Reserved() if entry.kind == HOLD:
            held = EndingView(row.rid, drop_id, HoldState.HELD, row.quantity, row.expires_ms)
            return row.rid, row.buyer_id, ReservationHeld(at_ms=at_ms, reservation=held)
        case Ended():
            ended = EndedView(row.rid, drop_id, ENDED_AS[entry.kind], row.quantity)
            return row.rid, row.buyer_id, ReservationEnded(at_ms=at_ms, reservation=ended)
        case TakenBack():
            back = ReturnedView(row.rid, drop_id, HoldState.SOLD, row.quantity)
            thing = f"{row.rid}|{row.take_id}"
            return thing, row.buyer_id, ReservationReturned(at_ms=at_ms, reservation=back)
    return None
