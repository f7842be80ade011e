"""Recovers one partition, step by step.

1. A conditional UPDATE raises SQL's epoch: writers of the old epoch can no longer write, and of two
   concurrent recoveries one is refused.
2. A marker that no engine has replaces the epoch in Redis: nothing can be sold.
3. The rest of the log goes into SQL, and all of SQL is checked: if a rebuild from it would fail,
   Redis is not changed.
4. The keys of the partition are removed, and its drops are written again from SQL; each appears
   only when it is complete.
5. The log begins at SQL's offset, and the new epoch is set: the partition is open.

An interruption leaves the partition closed. The next run keeps what step 3 wrote into SQL, and
repeats everything else.
"""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy import update

from livesale.database.engine import now_ms, snapshot, transaction
from livesale.deployment.partitions import REDIS_URL, SQL_URL, recovering
from livesale.errors import Refused
from livesale.ledger.partition_state import Halted
from livesale.ledger.rows import position
from livesale.ledger.tables import log_offsets
from livesale.operations.recovery.diagnosis import NEWER, Diagnosis
from livesale.operations.recovery.misfit import CURE, find_misfit
from livesale.operations.recovery.rebuild import Rebuilt, rebuild
from livesale.operations.recovery.salvage import salvage
from livesale.resources import Deployment
from stock.errors import FencedOff, LogTooNew
from stock.ids import START
from stock.restorer import Restorer

_TAKEN = "another `livesale recover` works on partition p{:02d}"
_WAIT = "Wait for it to end; if it died, run this again."


class Progress(Struct):
    """Partition and step, for the display."""

    partition: int
    step: str
    drops: int = 0
    orders: int = 0


class Repaired(Struct, frozen=True):
    partition: int
    epoch: int
    salvaged: int
    fitted_in: int
    drops: int
    orders: int


async def repair(
    deployment: Deployment, found: Diagnosis, note: Callable[[Progress], None] | None = None
) -> Repaired:
    """Recover the partition of the diagnosis `found`.

    Raises Refused, before Redis is cleared, if the partition is healthy, needs another database, is
    recovered by another process, or has contradicting rows in SQL.
    """
    partition = found.partition
    tell = note or (lambda _progress: None)
    if found.healthy:
        problem = f"partition p{partition:02d} is healthy: there is nothing to recover"
        raise Refused(REDIS_URL, problem, "Leave it as it is.")
    if found.cure:
        raise Refused(SQL_URL, found.problem, found.cure)
    try:
        return await _repair(deployment, found, tell)
    except LogTooNew as end:  # new since the diagnosis; nothing has been cleared
        problem = f"the rest of the log of p{partition:02d} is from another version: {end}"
        raise Refused(REDIS_URL, problem, NEWER) from None
    except (FencedOff, Halted) as taken:
        raise Refused(REDIS_URL, f"{_TAKEN.format(partition)}: {taken}", _WAIT) from None


async def _repair(
    deployment: Deployment, found: Diagnosis, tell: Callable[[Progress], None]
) -> Repaired:
    partition, epoch = found.partition, found.place.epoch + 1
    token = recovering(epoch)
    restorer = Restorer(deployment.redis, deployment.keyspace)
    tell(Progress(partition, "raise the epoch"))
    await _raise_in_sql(deployment, partition, found.place.epoch)
    await restorer.fence(partition, found.held_text, token)
    deployment.epochs[partition] = epoch
    tell(Progress(partition, "salvage the log"))
    taken, fitted = await salvage(deployment, partition)
    tell(Progress(partition, "check SQL"))
    async with snapshot(deployment.sql) as connection:
        place = await position(connection, partition)
        misfit = place and await find_misfit(connection, partition, place)
    if misfit:
        raise Refused(SQL_URL, f"p{partition:02d} cannot be rebuilt: {misfit}", CURE)
    tell(Progress(partition, "clear Redis"))
    await restorer.clear(partition, token)

    def note(done: Rebuilt) -> None:
        tell(Progress(partition, "rebuild the drops", done.drops, done.orders))

    done = await rebuild(deployment, partition, token, note)
    async with transaction(deployment.sql, write=False) as connection:
        place = await position(connection, partition)
    if place is None or place.epoch != epoch:
        raise FencedOff("SQL now has another epoch")
    tell(Progress(partition, "open", done.drops, done.orders))
    if place.offset != START:
        await restorer.restore_log(partition, token, place.offset, place.entries)
    if not await restorer.raise_epoch(partition, token, epoch):
        raise FencedOff("Redis now has another epoch")
    return Repaired(partition, epoch, taken, fitted, done.drops, done.orders)


async def _raise_in_sql(deployment: Deployment, partition: int, epoch: int) -> None:
    row = log_offsets.c
    async with transaction(deployment.sql) as connection:
        done = await connection.execute(
            update(log_offsets)
            .where(row.partition == partition, row.epoch == epoch)
            .values(epoch=epoch + 1, updated_ms=now_ms())
        )
    if done.rowcount != 1:
        raise FencedOff("SQL now has another epoch")
