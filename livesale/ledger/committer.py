"""Writes batches of one partition's log into SQL, each in one transaction with its offset."""

import time
from collections.abc import Mapping, Sequence

import structlog
from redis.asyncio import Redis

from livesale.database.engine import now_ms, transaction
from livesale.ledger import quarantine
from livesale.ledger import rows as ledger
from livesale.ledger.evidence import find_doubt
from livesale.ledger.partition_state import Halted, Overtaken, PartitionState
from livesale.ledger.plan import books_before, make_plan, shift
from livesale.ledger.rows import BooksDiffer, Position, is_content
from livesale.ledger.tail import Item
from livesale.resources import Deployment
from livesale.telemetry.workers import WriterMetrics
from stock.books import Books
from stock.entries import Adjusted, LogEntry, TakenBack
from stock.ids import START

_logger = structlog.get_logger(__name__)


class Committer:
    """Knows SQL's offset, and advances it."""

    def __init__(
        self, partition: int, deployment: Deployment, reader: "Redis", metrics: WriterMetrics
    ) -> None:
        self.partition = partition
        self.position = Position(0, START, 0)
        self._deployment = deployment
        self._reader = reader
        self._metrics = metrics
        self._drift: dict[str, Books] = {}

    async def read_position(self) -> Position:
        """Read SQL's offset. Raises Halted if this process must not write there."""
        async with transaction(self._deployment.sql, write=False) as connection:
            return self._checked(await ledger.position(connection, self.partition))

    def _checked(self, found: Position | None) -> Position:
        if found is None:
            raise Halted(PartitionState.FENCED, "log_offsets has no row for this partition")
        closed = self._deployment.closed.get(self.partition)
        if closed is not None:
            raise Halted(PartitionState.FENCED, closed)
        epoch = self._deployment.epochs[self.partition]
        if found.epoch != epoch:
            raise Halted(
                PartitionState.FENCED, f"SQL has epoch {found.epoch}, this process has {epoch}"
            )
        return found

    async def commit(self, batch: Sequence[Item]) -> None:
        """Write a batch. If SQL refuses it, write entry by entry and quarantine what fails."""
        try:
            await self._apply(batch)
        # Handle only permanent refusals; re-raise any other fault.
        except Exception as fault:
            if not is_content(fault):
                raise
            _logger.warning(
                "SQL refused a batch: writing it entry by entry",
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
        """Write an entry although SQL's books differ; raise `differ` if the entry is wrong.

        If the books do not match, either the entry is wrong, and quarantining it keeps SQL equal
        to Redis; or it is right, and an earlier entry is missing from SQL, quarantined because we
        could not read it. Quarantining all later entries would lose acknowledged orders (I4). So
        we apply an entry that Redis confirms and whose rows SQL accepts: its movements go into
        SQL's books, ledger and orders, which stay consistent, and the audit shows the gap to Redis
        (I3), which is exactly the quarantined entries. We keep the gap in memory, so that the next
        batches run at full speed; after a restart we find it again. Once the missing entries are
        replayed, the gap is zero, and entries need no confirmation.
        """
        entry = item.entry
        if entry is None or differ.found is None:
            raise differ
        drift = shift(differ.found, books_before(entry), -1)
        if drift != Books() and await self._is_doubted(entry):
            raise differ
        await self._apply([item], {**self._drift, entry.drop_id: drift})
        # Only now: Redis also confirms a copy of a right entry, but SQL refuses its rows.
        self._drift[entry.drop_id] = drift
        if drift == Books():
            del self._drift[entry.drop_id]
            _logger.info(
                "the books in SQL match the log again",
                partition=self.partition,
                drop_id=entry.drop_id,
            )
            return
        self._metrics.drifts.inc()
        _logger.error(
            "the books in SQL differ from the log: an earlier entry is missing in SQL",
            partition=self.partition,
            drop_id=entry.drop_id,
            log_id=entry.id,
            drift=str(drift),
        )

    async def _is_doubted(self, entry: LogEntry) -> bool:
        """Whether Redis or SQL contradicts an entry whose books do not match."""
        if await find_doubt(self._reader, self._deployment.keyspace, entry):
            return True
        adjusted = [row.adjust_id for row in entry.rows if isinstance(row, Adjusted)]
        adjusted += [row.take_id for row in entry.rows if isinstance(row, TakenBack)]
        if not adjusted:
            return False
        async with transaction(self._deployment.sql, write=False) as connection:
            # Nothing else in SQL refuses a copy of an adjustment.
            return any(
                [await ledger.is_adjusted(connection, entry.drop_id, key) for key in adjusted]
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
            if self._checked(found) != self.position:
                raise Overtaken
            await ledger.write(connection, plan)
            aside = [(item.id, item.reason, item.payload) for item in refused]
            await quarantine.insert(connection, self.partition, aside, at_ms)
            await ledger.advance(connection, self.partition, items[-1].id, len(items), at_ms)
        self.position = Position(
            self.position.epoch, items[-1].id, self.position.entries + len(items)
        )
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
