"""Removes finished drops from Redis and seals them, so that Redis and the audit stay small.

A drop can go when it has been closed for a while, all its holds have ended, and SQL has its whole
log. One step compares the books of both sides and removes its keys. After that SQL answers late
reads, late retries and late money.

In SQL it gets a seal (livesale.ledger.seals), so that audits need not read its rows again. A drop
whose rows contradict each other gets none: every audit keeps reading it. A drop that left Redis can
also lack a seal because a keeper died in between, because a version without seals archived it, or
because late money came. All of these are sealed here.
"""

import secrets
import time
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy import Select, func, select, update

from livesale.catalogue.tables import campaigns
from livesale.database.engine import now_ms, snapshot, transaction
from livesale.ledger import line_rows, seals
from livesale.ledger import rows as ledger
from livesale.ledger.seals import Seal
from livesale.ledger.states import DRAFT
from livesale.ledger.tables import books, drops
from livesale.ledger.wrong_rows import wrong_rows_of
from livesale.line.wrong_lines import find_faults
from livesale.resources import Deployment
from livesale.tasks.clock_steps import ClockWatch
from stock.books import Books
from stock.errors import BooksBroken, FencedOff, ScriptRefused, ServerRefuses
from stock.model import ArchiveCode, DropState

ARCHIVE_EVERY_S = 10.0
AT_ONCE = 20  # drops of a partition, each time
ROWS_AT_ONCE = 50_000  # no drop is begun after so many rows were read
PAGE = 1_000  # counts of buyers that are removed at once
RETRY_S = 600.0  # until a drop that cannot be sealed is looked at again
MAX_PASSED_BY = 1_000  # of those, they are all looked at again

_SPARE_MS = 60_000

_log = structlog.get_logger(__name__)


async def partitions_to_archive(deployment: Deployment) -> set[int]:
    """Where finished drops may be without a seal: a first look at all partitions, by one query.

    It goes by this machine's clock, with a minute to spare; an Archiver goes by Redis's.
    """
    closed_ms = now_ms() + _SPARE_MS - deployment.settings.keeper.archive_after_s * 1_000
    query = _finished(closed_ms).with_only_columns(drops.c.partition).distinct()
    async with transaction(deployment.sql, write=False) as connection:
        return set((await connection.scalars(query)).all())


def _finished(closed_ms: int) -> Select[Any]:
    return (
        select(drops.c.drop_id)
        .select_from(books.join(drops, drops.c.drop_id == books.c.drop_id))
        .where(
            books.c.sealed_ms.is_(None),
            books.c.held == 0,
            drops.c.state == DropState.CLOSED,
            drops.c.closes_ms <= closed_ms,
        )
    )


class Archiver:
    """Archives and seals the drops of one partition. Two of them at once are harmless."""

    def __init__(self, deployment: Deployment, partition: int) -> None:
        self._deployment = deployment
        self._partition = partition
        self._clock = ClockWatch(deployment.engine)
        self._after_ms = deployment.settings.keeper.archive_after_s * 1_000
        self._refused: dict[str, float] = {}  # drop → when to look again
        self._rows = 0

    async def archive(self) -> int:
        """Archive and seal what may be; how many drops were.

        Raises FencedOff, ServerRefuses, NotSent or OutcomeUnknown, and what SQL raises.
        """
        done = self._rows = 0
        for drop_id in await self._candidates():
            done += await self._archive(drop_id)
            if self._rows >= ROWS_AT_ONCE:
                break
        return done

    async def _candidates(self) -> list[str]:
        """Finished drops without a seal, but those that were refused a moment ago."""
        look = await self._clock.look()
        if look.doubted:
            return []
        closed_ms = look.now_ms - self._after_ms
        now_s = time.monotonic()
        self._refused = {name: at for name, at in self._refused.items() if at > now_s}
        query = (
            _finished(closed_ms)
            .where(drops.c.partition == self._partition)
            .order_by(drops.c.closes_ms)
            .limit(AT_ONCE + len(self._refused))
        )
        async with transaction(self._deployment.sql, write=False) as connection:
            found = (await connection.scalars(query)).all()
        return [drop_id for drop_id in found if drop_id not in self._refused][:AT_ONCE]

    async def _archive(self, drop_id: str) -> bool:
        token = secrets.token_hex(8)
        async with transaction(self._deployment.sql) as connection:
            if not await seals.claim(connection, drop_id, token):
                return False  # another keeper was faster
        async with snapshot(self._deployment.sql) as connection:
            places = await line_rows.places_of(connection, drop_id)
            place = await ledger.position(connection, self._partition)
            seal = (await seals.read_seals(connection, [drop_id])).get(drop_id)
            wrong = await wrong_rows_of(connection, drop_id)
            line = await find_faults(connection, drop_id)
            wrong += [*line.order, *line.turns] if line else []
        if place is None or seal is None:
            return False
        self._rows += seal.orders + seal.movements + seal.payments + seal.refunds
        if wrong:
            self._refuse(drop_id, f"its rows contradict each other: {'; '.join(wrong)}")
            return False
        code = await self._leave_redis(drop_id, seal, place.offset, places)
        if code not in (ArchiveCode.ARCHIVED, ArchiveCode.UNKNOWN_DROP):
            return False
        async with transaction(self._deployment.sql) as connection:
            # Under the lock of the partition: a recovery raises the epoch first, and brings back
            # what is not archived then.
            now = await ledger.position(connection, self._partition, lock=True)
            if now is None or now.epoch != place.epoch:
                return False
            if not await seals.put(connection, seal, token, now_ms()):
                return False  # it has changed since: it is sealed as it is now, the next time
            await connection.execute(
                update(drops).where(drops.c.drop_id == drop_id).values(archived_ms=_when(code))
            )
        _log.info("archived and sealed a drop", drop_id=drop_id, orders=seal.orders)
        await self._forget_campaign_of(drop_id)
        return True

    async def _forget_campaign_of(self, drop_id: str) -> None:
        """Remove what Redis counts for a campaign with a limit, when it is over with all its drops.

        Its drops end with it, so nobody can buy any more. A keeper that dies here leaves some
        bytes behind, until a recovery.
        """
        async with snapshot(self._deployment.sql) as connection:
            query = (
                select(drops.c.campaign_id)
                .join(campaigns, campaigns.c.campaign_id == drops.c.campaign_id)
                .where(drops.c.drop_id == drop_id, drops.c.campaign_limit > 0)
                .where(campaigns.c.closes_ms < now_ms())
            )
            name = await connection.scalar(query)
            left = select(func.count()).where(
                drops.c.campaign_id == name,
                drops.c.archived_ms.is_(None),
                drops.c.state != DRAFT,
            )
            if name is None or await connection.scalar(left):
                return
        redis: Redis = self._deployment.redis
        key = self._deployment.keyspace.campaigns(self._partition)
        some: list[str] = []
        async for field, _ in redis.hscan_iter(key, match=f"{name}|*", count=PAGE):
            some.append(field)
            if len(some) >= PAGE:
                await redis.hdel(key, *some)
                some = []
        if some:
            await redis.hdel(key, *some)

    async def _leave_redis(
        self, drop_id: str, seal: Seal, offset: str, places: int
    ) -> ArchiveCode | None:
        """UNKNOWN_DROP: it left before, and the keeper died before it said so, or it changed since.

        None when it cannot be archived, which is in the log.
        """
        own = Books(seal.allotted, seal.available, 0, seal.sold, seal.burned)
        try:
            code = await self._deployment.engine.archive_drop(
                drop_id, own, seal.orders, offset, places
            )
        except ServerRefuses:
            raise  # no memory, or busy: no drop is to blame
        except (BooksBroken, ScriptRefused) as fault:
            self._refuse(drop_id, str(fault))
            return None
        if code is ArchiveCode.FENCED:
            raise FencedOff(f"partition of {drop_id}")
        if code is ArchiveCode.DIFFERENT:
            self._refuse(drop_id, "Redis and SQL differ")
        return code

    def _refuse(self, drop_id: str, reason: str) -> None:
        """One drop that cannot be sealed must not keep the others from their turn."""
        _log.error("a finished drop cannot be sealed", drop_id=drop_id, reason=reason)
        if len(self._refused) >= MAX_PASSED_BY:
            self._refused.clear()
        self._refused[drop_id] = time.monotonic() + RETRY_S


def _when(code: ArchiveCode) -> Any:
    """When a drop left Redis: now, or as it was noted before."""
    at_ms = now_ms()
    return at_ms if code is ArchiveCode.ARCHIVED else func.coalesce(drops.c.archived_ms, at_ms)
