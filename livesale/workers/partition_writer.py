"""Moves one partition's log into SQL: every entry exactly once, in order, or put aside.

There is no acknowledgement to lose: rows and offset are one transaction, and where it stands is
read from SQL again after every fault. A second writer finds the offset moved under the row lock,
drops what it has read and stands by.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum

import structlog
from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from livesale.deployment import Deployment
from livesale.store import ledger
from livesale.store.database import now_ms, transaction
from livesale.store.ledger import BooksDiffer, Position, is_content
from livesale.store.plan import books_before, make_plan, shift
from livesale.store.tables import quarantine
from livesale.workers.backoff import Backoff, wait_for
from livesale.workers.evidence import is_borne_out
from livesale.workers.metrics import WriterMetrics
from livesale.workers.tail import Item, Tail, connect_reader
from stock.books import Books
from stock.log import START, LogInfo, LogReader, id_key

MEASURE_S = 0.25  # between two looks at the log while entries come
MAX_REASON = 500
MAX_PAYLOAD = 8_000_000  # characters; below the 16 MiB that a packet and MEDIUMTEXT may have

_logger = structlog.get_logger(__name__)


class PartitionState(StrEnum):
    STARTING = "starting"
    WRITING = "writing"
    STANDBY = "standby"  # another writer moves this partition
    BACKING_OFF = "backing_off"  # SQL or Redis is away
    FENCED = "fenced"  # for good: SQL has another epoch than this process
    REDIS_OLDER = "redis_older"  # for good: Redis lacks what SQL holds; `livesale recover`
    STOPPED = "stopped"


HEALTHY = {PartitionState.WRITING, PartitionState.STANDBY, PartitionState.STOPPED}


class Halted(Exception):
    """This partition must not be written by this process any more."""

    def __init__(self, state: PartitionState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Overtaken(Exception):
    """Another writer has moved the offset."""


class PartitionStatus(Struct, frozen=True):
    partition: int
    state: PartitionState
    lag_entries: int
    last_error: str


class PartitionWriter:
    def __init__(self, partition: int, deployment: Deployment, metrics: WriterMetrics) -> None:
        self.partition = partition
        self.state = PartitionState.STARTING
        self.lag_entries = 0
        self.last_error = ""
        self._deployment = deployment
        self._settings = deployment.settings.writer
        self._metrics = metrics
        key = deployment.keyspace.log(partition)
        timeout_s = deployment.settings.redis.timeout_ms / 1000
        self._reader = connect_reader(deployment.redis_url, timeout_s)
        self._log = LogReader(self._reader, key)
        self._drift: dict[str, Books] = {}
        self._backoff = Backoff()
        self._measured_s = 0.0
        self._trimmed_s = time.monotonic()
        self._position = Position(0, START, 0)

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`, or until this partition is not ours to write any more."""
        try:
            while not stop.is_set():
                try:
                    await self._follow(stop)
                except Overtaken:
                    await self._stand_by(stop)
        except Halted as halt:
            self._enter(halt.state, str(halt))
            _logger.critical(
                "writer stopped for good",
                partition=self.partition,
                state=halt.state.value,
                reason=str(halt),
            )
        else:
            self._enter(PartitionState.STOPPED)
        finally:
            await self._reader.aclose()

    @property
    def status(self) -> PartitionStatus:
        return PartitionStatus(self.partition, self.state, self.lag_entries, self.last_error)

    async def _follow(self, stop: asyncio.Event) -> None:
        """Write until `stop` or a fault; wait after a fault. Raises Halted or Overtaken."""
        tail: Tail | None = None
        try:
            self._position = await self._resume()
            tail = Tail(self._log, self._position.offset, self._settings.max_rows)
            self._enter(PartitionState.WRITING)
            while not stop.is_set():
                batch = await tail.batch(stop)
                if batch:
                    tail.read_ahead()
                    await self._commit(batch)
                    self._backoff.reset()
                await self._measure(idle=not batch)
        except (Halted, Overtaken):
            raise
        # Whatever it was, the offset in SQL says where to go on, and a writer that dies of
        # something unforeseen would stop the sale's way into SQL.
        except Exception as fault:
            self._report(fault)
            await self._backoff.wait(stop)
        finally:
            if tail is not None:
                await tail.close()

    async def _resume(self) -> Position:
        """Where SQL stands, if the log goes on from there. Raises Halted."""
        position = await self._read_position()
        info = await self._log.info()
        missing = await self._missing(position, info)
        if missing and await self._read_position() == position:
            raise Halted(PartitionState.REDIS_OLDER, missing)
        self._metrics.sql_up.set(1)
        return position

    async def _missing(self, position: Position, info: LogInfo) -> str:
        """Why the log does not go on from the offset, or nothing.

        The writer trims up to the offset and leaves its entry there: in a log that is older than
        SQL, or of another Redis, that entry is missing, even when new ones have come since.
        """
        if id_key(info.last_id) < id_key(position.offset):
            return f"the log ends at {info.last_id}, SQL holds it up to {position.offset}"
        if info.entries_added < position.entries:
            return f"the log had {info.entries_added} entries, SQL holds {position.entries}"
        if info.entries_added - info.length == position.entries:
            return ""  # what has been removed is what SQL holds: also for a log that is empty
        if position.offset == START:
            if info.entries_added == info.length:
                return ""
            return f"entries before {info.first_id} have been removed, SQL holds none"
        if await self._reader.xrange(self._log.key, position.offset, position.offset):
            return ""
        return f"the log does not hold {position.offset}, where SQL stands"

    async def _read_position(self) -> Position:
        async with transaction(self._deployment.sql, write=False) as connection:
            return self._checked(await ledger.position(connection, self.partition))

    def _checked(self, found: Position | None) -> Position:
        if found is None:
            raise Halted(PartitionState.FENCED, "log_offsets has no row for this partition")
        epoch = self._deployment.epochs[self.partition]
        if found.epoch != epoch:
            raise Halted(
                PartitionState.FENCED, f"SQL has epoch {found.epoch}, this process has {epoch}"
            )
        return found

    async def _commit(self, batch: Sequence[Item]) -> None:
        """Write a batch; where its content is refused, entry by entry, and put aside what fails."""
        try:
            await self._apply(batch)
        # Only what SQL refuses for good is looked at; any other fault goes up.
        except Exception as fault:
            if not is_content(fault):
                raise
            _logger.warning(
                "a batch was refused, writing it entry by entry",
                partition=self.partition,
                first=batch[0].id,
                entries=len(batch),
                reason=str(fault),
            )
            for item in batch:
                await self._commit_alone(item)

    async def _commit_alone(self, item: Item) -> None:
        try:
            try:
                await self._apply([item])
            except BooksDiffer as differ:
                await self._apply_with_drift(item, differ)
        except Exception as fault:
            if not is_content(fault):
                raise
            await self._apply([Item(item.id, item.fields, None, f"refused by SQL: {fault}")])

    async def _apply_with_drift(self, item: Item, differ: BooksDiffer) -> None:
        """Go on with a drop whose books in SQL are off; raise `differ` when the entry is to blame.

        An entry whose books do not follow is either false itself, and then putting it aside keeps
        SQL equal to Redis; or it is true and one before it is missing from SQL, put aside because
        it could not be read. Putting aside everything that follows would lose acknowledged orders
        (I4), so a true entry, one that Redis bears out and whose rows SQL takes, is applied: its
        movements go into SQL's books, ledger and orders alike, which stay equal to each other, and
        the audit shows the gap to Redis (I3) as exactly what lies in quarantine. The gap is kept
        in memory so that the following batches are written at full speed; after a restart it is
        found again.
        """
        entry = item.entry
        if entry is None or differ.found is None:
            raise differ
        if not await is_borne_out(self._reader, self._deployment.keyspace, entry):
            raise differ
        drift = shift(differ.found, books_before(entry), -1)
        await self._apply([item], {**self._drift, entry.drop_id: drift})
        # Only now: a copy of a true entry is borne out as well, but SQL refuses its rows.
        self._drift[entry.drop_id] = drift
        self._metrics.drifts.inc()
        _logger.error(
            "SQL's books are off from the log's: an earlier entry is missing from SQL",
            partition=self.partition,
            drop_id=entry.drop_id,
            log_id=entry.id,
            drift=str(drift),
        )

    async def _apply(self, items: Sequence[Item], drift: Mapping[str, Books] | None = None) -> None:
        """One transaction: rows, ledger, quarantine and offset. Raises Overtaken or Halted."""
        entries = [item.entry for item in items if item.entry is not None]
        refused = [item for item in items if item.entry is None]
        plan = make_plan(self.partition, entries, drift or self._drift)
        started_s = time.perf_counter()
        at_ms = now_ms()
        async with transaction(self._deployment.sql) as connection:
            found = await ledger.position(connection, self.partition, lock=True)
            if self._checked(found) != self._position:
                raise Overtaken
            await ledger.write(connection, plan)
            await ledger.insert_rows(
                connection,
                quarantine,
                [
                    {
                        "partition": self.partition,
                        "log_id": item.id,
                        "reason": item.reason[:MAX_REASON],
                        "payload": item.payload[:MAX_PAYLOAD],
                        "created_ms": at_ms,
                    }
                    for item in refused
                ],
            )
            await ledger.advance(connection, self.partition, items[-1].id, len(items), at_ms)
        self._position = Position(
            self._position.epoch, items[-1].id, self._position.entries + len(items)
        )
        # Exact at the next look; until then entries that are new are not counted.
        self._set_lag(self.lag_entries - len(items))
        self._metrics.commit_s.observe(time.perf_counter() - started_s)
        self._metrics.entries.inc(len(items))
        self._metrics.rows.inc(plan.rows + len(refused))
        self._metrics.sql_up.set(1)
        for item in refused:
            self._metrics.quarantined.inc()
            _logger.error(
                "a log entry was put into quarantine",
                partition=self.partition,
                log_id=item.id,
                reason=item.reason,
            )

    async def _measure(self, *, idle: bool) -> None:
        """Trim behind the offset and say how far behind we are. Raises Halted."""
        now_s = time.monotonic()
        if not idle and now_s - self._measured_s < MEASURE_S:
            return
        self._measured_s = now_s
        info = await self._log.info()
        if id_key(info.last_id) < id_key(self._position.offset):
            raise Halted(
                PartitionState.REDIS_OLDER,
                f"the log ends at {info.last_id}, SQL holds it up to {self._position.offset}",
            )
        self._note_lag(info, self._position)
        if now_s - self._trimmed_s >= self._settings.trim_every_ms / 1000:
            self._trimmed_s = now_s
            await self._log.trim(self._position.offset)

    async def _stand_by(self, stop: asyncio.Event) -> None:
        """Wait while another writer moves the offset. Raises Halted.

        It is taken for gone when entries have been waiting from one look to the next and the
        offset has not moved.
        """
        self._enter(PartitionState.STANDBY)
        _logger.info("another writer has this partition, standing by", partition=self.partition)
        waiting_at: str | None = None
        while not await wait_for(stop, self._settings.standby_ms / 1000):
            try:
                position = await self._read_position()
                info = await self._log.info()
            except Halted:
                raise
            # As in `_follow`: whatever keeps us from looking, we look again.
            except Exception as fault:
                self._report(fault)
                waiting_at = None
                continue
            self._note_lag(info, position)
            waiting = id_key(info.last_id) > id_key(position.offset)
            if waiting and waiting_at == position.offset:
                _logger.info(
                    "taking over from a writer that stands still", partition=self.partition
                )
                return
            waiting_at = position.offset if waiting else None

    def _note_lag(self, info: LogInfo, position: Position) -> None:
        self._set_lag(info.entries_added - position.entries)

    def _set_lag(self, entries: int) -> None:
        self.lag_entries = max(0, entries)
        self._metrics.lag.labels(self.partition).set(self.lag_entries)

    def _report(self, fault: Exception) -> None:
        if isinstance(fault, RedisError):
            of = "redis"
        elif isinstance(fault, SQLAlchemyError | OSError | TimeoutError):
            of = "sql"
            self._metrics.sql_up.set(0)
        else:
            of = "writer"
        self._metrics.faults.labels(of).inc()
        reason = f"{type(fault).__name__}: {getattr(fault, 'orig', None) or fault}"
        if self.state is not PartitionState.STANDBY:
            self._enter(PartitionState.BACKING_OFF)
        self.last_error = reason
        _logger.warning(
            "the writer backs off",
            partition=self.partition,
            of=of,
            reason=reason,
            exc_info=fault if of == "writer" else None,
        )

    def _enter(self, state: PartitionState, error: str = "") -> None:
        self.state = state
        self.last_error = error
        for each in PartitionState:
            self._metrics.state.labels(self.partition, each.value).set(each is state)
