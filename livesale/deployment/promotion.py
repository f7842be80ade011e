"""After a replica became the primary: its books must match SQL, and it gets a new epoch.

The new epoch in SQL fences the writer of the old primary, which may still run behind a broken link
with a log that will be lost. Redis gets the epoch first: until SQL follows, nothing can be sold. If
a process dies in between, the next one finishes the step.

If the books differ, a marker replaces the epoch in Redis. So the partition stays closed for every
process, now and later, until it is recovered.

It compares only unsealed drops: the others have left Redis. A replica may have missed the last
removals, so it unseals recently sealed drops; the keeper removes them from the new primary and
seals them again.
"""

from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy import update

from livesale.database.engine import now_ms, snapshot, transaction
from livesale.deployment.partitions import Look, differs, look_at
from livesale.ledger.seals import unseal_recent
from livesale.ledger.tables import log_offsets
from stock.errors import Unreachable
from stock.gateway import RedisEngine
from stock.restorer import Restorer

if TYPE_CHECKING:
    from livesale.resources import Deployment

ATTEMPTS = 10
RECENT_MS = 3_600_000  # the largest lag of a replica in sync

_log = structlog.get_logger(__name__)


class Promotion:
    """Handles partitions on a new primary."""

    def __init__(self, deployment: "Deployment", redis: Redis) -> None:
        epochs = deployment.engine.epochs
        # Of this promotion only: what it kept would be missing from the pool when it is over.
        engine = RedisEngine(redis, deployment.keyspace, epochs, keeps_connections=False)
        self._deployment = replace(deployment, redis=redis, engine=engine)
        self._restorer = Restorer(redis, deployment.keyspace)

    async def settle(self, look: Look, known: int) -> Look:
        """Raise the epoch of a partition whose books agree; close one whose books do not.

        `known` is the partition's epoch in this process: if it differs by now, another process was
        faster. Raises the drivers' faults. If the books cannot be compared, raises LogTooNew (the
        rest of the log has an entry of a later version) or Unreachable (it is trimmed too fast).
        """
        begun = look.held == look.epoch + 1  # raised in Redis, but not in SQL yet
        if not begun and (look.refusal is not None or look.epoch != known):
            return look
        difference = await self._difference(look.partition)
        if difference:
            _log.critical("books differ", partition=look.partition, difference=difference)
            word = differs(look.held)
            await self._restorer.raise_epoch(look.partition, look.held, word)
            return await self._look(look.partition)
        raised = begun or await self._restorer.raise_epoch(
            look.partition, look.epoch, look.epoch + 1
        )
        if not raised:  # another process was faster
            look = await self._look(look.partition)
            if look.held != look.epoch + 1:
                return look
        row = log_offsets.c
        async with transaction(self._deployment.sql) as connection:
            await connection.execute(
                update(log_offsets)
                .where(row.partition == look.partition, row.epoch == look.epoch)
                .values(epoch=look.epoch + 1)
            )
            await unseal_recent(connection, look.partition, now_ms() - RECENT_MS)
        return await self._look(look.partition)

    async def _look(self, partition: int) -> Look:
        parts = self._deployment
        return await look_at(parts.redis, parts.sql, parts.keyspace, partition)

    async def _difference(self, partition: int) -> str:
        """How the books in Redis differ from SQL plus the rest of the log; empty if they agree."""
        # Imported late, because the audit imports this package.
        from livesale.ledger.books import check_balance, check_sides
        from livesale.ledger.instant import take_instant
        from livesale.ledger.unread import LogTrimmed

        for _ in range(ATTEMPTS):
            async with snapshot(self._deployment.sql) as connection:
                try:
                    instant = await take_instant(
                        self._deployment, self._deployment.redis, connection, partition
                    )
                except LogTrimmed:
                    continue
            broken = [c.detail for c in (check_balance(instant), check_sides(instant)) if not c.ok]
            return "; ".join(broken)
        raise Unreachable(f"the log of p{partition:02d} is trimmed faster than it can be read")
