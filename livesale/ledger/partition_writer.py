"""Moves one partition's log into SQL: every entry exactly once, in order, or into quarantine.

No acknowledgement can be lost: rows and offset are one transaction, and after every fault the
writer reads the offset from SQL again. A second writer finds under the row lock that the offset has
changed, drops its batch and stands by.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from typing import Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from sqlalchemy.exc import SQLAlchemyError

from livesale.ledger.committer import Committer
from livesale.ledger.log_gap import find_gap
from livesale.ledger.partition_state import Halted, Overtaken, PartitionState, PartitionStatus
from livesale.ledger.rows import Position
from livesale.ledger.tail import Item, Tail, block_ms_of, connect_reader, read_item
from livesale.resources import Deployment
from livesale.tasks import Backoff, Works, wait_for
from livesale.telemetry.workers import WriterMetrics
from stock.barrier import Barrier
from stock.errors import LogTooNew, OutcomeUnknown
from stock.ids import id_key
from stock.log import LogInfo, LogReader
from stock.scripts import load
from stock.topology.router import client_of

CLOSED_S = 0.25  # first pause before a retry of a halted partition
MEASURE_S = 0.25  # between two measurements of the log while entries come
LEFT_TRIMS = 10  # times `trim_every_ms`, for which an entry stays in the log after SQL has it

_RECOVER = "nothing is written here until it is recovered"
_HALTED = {
    PartitionState.FENCED: _RECOVER,
    PartitionState.REDIS_OLDER: _RECOVER,
    PartitionState.LOG_TOO_NEW: "nothing is written here until a newer writer starts",
}

_logger = structlog.get_logger(__name__)


class PartitionWriter:
    def __init__(self, partition: int, deployment: Deployment, metrics: WriterMetrics) -> None:
        self.partition = partition
        self.state = PartitionState.STARTING
        self.lag_entries = 0
        self.last_error = ""
        self.turned_s = -math.inf  # when its loop last came round, while it writes
        self._deployment = deployment
        self._settings = deployment.settings.writer
        self._metrics = metrics
        key = deployment.keyspace.log(partition)
        timeout_s = deployment.settings.redis.timeout_ms / 1000
        self._servers: set[str] = set()  # servers reached since the log was compared with SQL
        self._block_ms = block_ms_of(deployment.keyspace.partitions)
        self._reader = connect_reader(
            deployment.redis_url, timeout_s, greet=self._servers.add, block_ms=self._block_ms
        )
        self._log = LogReader(self._reader, key)
        self._works: Works = lambda: None
        self._tail: Tail | None = None
        self._trimmed = ""  # up to where the log was trimmed last
        self._measured_s = 0.0
        self._trimmed_s = time.monotonic()
        # SQL's places at the last trims: up to the oldest one the log is removed. Others follow
        # the log, too, and have this much time.
        self._left: deque[str] = deque(maxlen=LEFT_TRIMS)
        redis = deployment.settings.redis
        self._barrier = (
            Barrier(load("stock/barrier"), redis.replicas, redis.wait_ms)
            if redis.durability == "replicated"
            else None
        )
        self._committer = Committer(partition, deployment, self._reader, metrics)

    async def run(self, stop: asyncio.Event, works: Works) -> None:
        """Write until `stop` or a fault. While this partition must not be written, only check
        it."""
        self._works = works
        closed = Backoff(first_s=CLOSED_S)
        try:
            while not stop.is_set():
                try:
                    await self._write(stop)
                    closed.reset()
                except Halted as halt:
                    self._halt(halt)
                    await closed.wait(stop)
        finally:
            await self._reader.aclose()
            if stop.is_set():
                self._enter(PartitionState.STOPPED)

    async def _write(self, stop: asyncio.Event) -> None:
        """Raises Halted."""
        try:
            await self._follow(stop)
        except Overtaken:
            await self._stand_by(stop)

    def _halt(self, halt: Halted) -> None:
        if (self.state, self.last_error) != (halt.state, str(halt)):
            _logger.critical(
                _HALTED[halt.state],
                partition=self.partition,
                state=halt.state.value,
                reason=str(halt),
            )
        self._enter(halt.state, str(halt))

    def is_writing(self, since_s: float) -> bool:
        """Whether it waits for entries, or its loop came round since then."""
        waits = self._tail is not None and self._tail.waits
        return self.state is PartitionState.WRITING and (waits or self.turned_s > since_s)

    @property
    def status(self) -> PartitionStatus:
        return PartitionStatus(self.partition, self.state, self.lag_entries, self.last_error)

    async def _follow(self, stop: asyncio.Event) -> None:
        """Write until `stop`. Raises Halted or Overtaken, and any fault after noting it."""
        tail: Tail | None = None
        try:
            position = self._committer.position = await self._resume()
            tail = self._tail = Tail(
                self._log, position.offset, self._settings.max_rows, block_ms=self._block_ms
            )
            self._enter(PartitionState.WRITING)
            self.turned_s = time.monotonic()
            while not stop.is_set():
                try:
                    batch = await tail.batch(stop)
                except LogTooNew as end:
                    raise Halted(PartitionState.LOG_TOO_NEW, str(end)) from None
                if len(self._servers) > 1:
                    raise RedisConnectionError("another Redis answers than the one compared")
                if batch:
                    await self._confirm(batch[-1])
                    tail.read_ahead()
                    await self._committer.commit(batch)
                    # Exact at the next measurement; until then it lacks new entries.
                    self._set_lag(self.lag_entries - len(batch))
                self._works()
                self.turned_s = time.monotonic()
                await self._measure(idle=not batch)
        except (Halted, Overtaken):
            raise
        # After any fault we retry from the offset in SQL.
        except Exception as fault:
            self._report(fault)
            raise
        finally:
            self._tail = None
            if tail is not None:
                await tail.close()

    async def _resume(self) -> Position:
        """SQL's offset, if the log continues from there with a known version. Raises Halted."""
        self._servers.clear()
        await self._reader.connection_pool.disconnect()
        position = await self._committer.read_position()
        gap = await find_gap(self._reader, self._log, position)
        if gap and await self._committer.read_position() == position:
            raise Halted(PartitionState.REDIS_OLDER, gap)
        self._metrics.sql_up.set(1)
        try:
            for raw in await self._log.between(position.offset, "+", 1):
                read_item(*raw)
        except LogTooNew as end:
            self._note_lag(await self._log.info(), position)
            raise Halted(PartitionState.LOG_TOO_NEW, str(end)) from None
        return position

    async def _confirm(self, last: Item) -> None:
        """Check that enough replicas have the batch, if the settings require replicas.

        A future primary must never lack entries that are in SQL. The check looks for the last entry
        on its own connection, because we may have read it from another primary. Raises RedisError.
        """
        if self._barrier is None:
            return
        found, *replies = await self._ask_replicas(self._barrier, last)
        if isinstance(replies[0], NoScriptError):
            found, *replies = await self._ask_replicas(self._barrier, last, by_source=True)
        if isinstance(found, ResponseError):
            raise found
        if not found or dict(found[0][1]) != dict(last.fields):
            raise RedisConnectionError(f"{last.id} is not in the log of this primary")
        try:
            self._barrier.check(*replies)
        except OutcomeUnknown as fault:
            raise RedisConnectionError(str(fault)) from fault

    async def _ask_replicas(
        self, barrier: Barrier, last: Item, *, by_source: bool = False
    ) -> list[Any]:
        key = self._deployment.keyspace.barrier(self.partition)
        redis = await client_of(self._reader, key)
        async with redis.pipeline(transaction=False) as together:
            together.xrange(self._log.key, last.id, last.id)
            for command in barrier.commands(key, by_source=by_source):
                together.execute_command(*command)
            return list(await together.execute(raise_on_error=False))

    async def _measure(self, *, idle: bool) -> None:
        """Trim up to the offset and measure the lag. Raises Halted."""
        now_s = time.monotonic()
        if not idle and now_s - self._measured_s < MEASURE_S:
            return
        self._measured_s = now_s
        position, info = self._committer.position, await self._log.info()
        if id_key(info.last_id) < id_key(position.offset):
            raise Halted(
                PartitionState.REDIS_OLDER,
                f"the log ends at {info.last_id}, SQL holds it up to {position.offset}",
            )
        self._note_lag(info, position)
        if now_s - self._trimmed_s >= self._settings.trim_every_ms / 1000:
            self._trimmed_s = now_s
            self._left.append(position.offset)
            # An older place, but never one that SQL does not have (any more).
            until = min(self._left[0], position.offset, key=id_key)
            if len(self._left) == LEFT_TRIMS and until != self._trimmed:
                await self._log.trim(until)
                self._trimmed = until

    async def _stand_by(self, stop: asyncio.Event) -> None:
        """Wait while another writer advances the offset. Raises Halted.

        It counts as gone if entries wait during two checks and the offset does not change.
        """
        self._enter(PartitionState.STANDBY)
        _logger.info("another writer has this partition: standing by", partition=self.partition)
        waiting_at: str | None = None
        while not await wait_for(stop, self._settings.standby_ms / 1000):
            try:
                position = await self._committer.read_position()
                info = await self._log.info()
            except Halted:
                raise
            # As in `_follow`: after any fault, check again.
            except Exception as fault:
                self._report(fault)
                waiting_at = None
                continue
            self._works()
            self._note_lag(info, position)
            waiting = id_key(info.last_id) > id_key(position.offset)
            if waiting and waiting_at == position.offset:
                _logger.info(
                    "taking over from a writer that makes no progress", partition=self.partition
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

    def leave(self) -> None:
        """Another writer may have this partition now: its lag is that one's to show."""
        note_state(self._metrics, self.partition, PartitionState.STANDBY)
        with contextlib.suppress(KeyError):
            self._metrics.lag.remove(self.partition)

    def _enter(self, state: PartitionState, error: str = "") -> None:
        self.state = state
        self.last_error = error
        note_state(self._metrics, self.partition, state)


def note_state(metrics: WriterMetrics, partition: int, state: PartitionState) -> None:
    for each in PartitionState:
        metrics.state.labels(partition, each.value).set(each is state)
