"""Takes finished drops out of Redis, so that it holds no more than what can still move.

A drop that has been closed for a while, whose holds have all ended and of which SQL holds the whole
log is only in the way. Its keys go in one step, which compares the books of both sides first. From
then on SQL answers for it: a late look, a late retry, late money.
"""

import structlog
from sqlalchemy import func, select, update

from livesale.deployment import Deployment
from livesale.store import ledger
from livesale.store.database import now_ms, snapshot, transaction
from livesale.store.tables import books, drops, orders
from stock.errors import BooksBroken, FencedOff, ScriptRefused
from stock.model import ArchiveCode, DropState

ARCHIVE_EVERY_S = 10.0
AT_ONCE = 20  # drops of a partition, each time

_log = structlog.get_logger(__name__)


class Archiver:
    """Archives the drops of one partition. Two of them at once are harmless."""

    def __init__(self, deployment: Deployment, partition: int) -> None:
        self._deployment = deployment
        self._partition = partition
        self._after_ms = deployment.settings.keeper.archive_after_s * 1_000

    async def archive(self) -> int:
        """Archive what may go now; how many drops went.

        Raises FencedOff, NotSent or OutcomeUnknown, and what SQL raises.
        """
        closed_ms = await self._deployment.engine.now_ms() - self._after_ms
        query = (
            select(drops.c.drop_id)
            .select_from(drops.join(books, books.c.drop_id == drops.c.drop_id))
            .where(
                drops.c.partition == self._partition,
                drops.c.state == DropState.CLOSED,
                drops.c.archived_ms.is_(None),
                drops.c.closes_ms <= closed_ms,
                books.c.held == 0,
            )
            .order_by(drops.c.closes_ms)
            .limit(AT_ONCE)
        )
        async with transaction(self._deployment.sql, write=False) as connection:
            candidates = (await connection.scalars(query)).all()
        return sum([await self._archive(drop_id) for drop_id in candidates])

    async def _archive(self, drop_id: str) -> bool:
        async with snapshot(self._deployment.sql) as connection:
            place = await ledger.position(connection, self._partition)
            counters = await ledger.read_books(connection, drop_id)
            count = await connection.scalar(
                select(func.count()).where(orders.c.order_id.between(f"{drop_id}-", f"{drop_id}."))
            )
        if place is None or counters is None:
            return False
        try:
            code = await self._deployment.engine.archive_drop(
                drop_id, counters, count or 0, place.offset
            )
        except (BooksBroken, ScriptRefused) as fault:
            _log.error("a drop refuses to be archived", drop_id=drop_id, reason=str(fault))
            return False
        if code is ArchiveCode.FENCED:
            raise FencedOff(f"partition of {drop_id}")
        if code is ArchiveCode.DIFFERENT:
            _log.error("Redis and SQL differ about a finished drop", drop_id=drop_id)
        if code not in (ArchiveCode.ARCHIVED, ArchiveCode.UNKNOWN_DROP):
            return False
        # UNKNOWN_DROP: it went before, and whoever took it died before saying so.
        async with transaction(self._deployment.sql) as connection:
            await connection.execute(
                update(drops)
                .where(drops.c.drop_id == drop_id, drops.c.archived_ms.is_(None))
                .values(archived_ms=now_ms())
            )
        _log.info("archived a drop", drop_id=drop_id)
        return True
