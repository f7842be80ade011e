"""Whether Redis and SQL belong together: their partitions, epochs and places in the log.

SQL fixes the number of partitions by its rows in `log_offsets`. Redis that is empty, older than
SQL, or of another epoch must not sell: its counters are wrong.
"""

from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.errors import Refused
from livesale.store.database import now_ms, transaction
from livesale.store.tables import drops, log_offsets
from stock.keyspace import Keyspace
from stock.log import START, LogInfo, LogReader, id_key

FIRST_EPOCH = 1
PARTITIONS = "LIVESALE__STOCK__PARTITIONS"
REDIS_URL = "LIVESALE__REDIS__URL"
SQL_URL = "LIVESALE__SQL__URL"
RECOVER = "Run `livesale recover`, which rebuilds Redis from SQL; until then nothing is sold."


async def claim_partitions(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> None:
    """Write the first rows of a brand-new deployment; do nothing to an old one.

    Raises Refused when SQL is new but Redis is not: then one of the two is the wrong one.
    """
    async with transaction(sql, write=False) as connection:
        if (await connection.execute(select(func.count()).select_from(log_offsets))).scalar_one():
            return
    for partition in range(keyspace.partitions):
        used = await redis.exists(keyspace.epoch(partition), keyspace.log(partition))
        if used:
            raise Refused(
                SQL_URL,
                f"the database is new, but Redis holds partition p{partition:02d} of a deployment",
                "Name the database that belongs to this Redis, or an empty Redis.",
            )
    at_ms = now_ms()
    rows = [
        {
            "partition": partition,
            "epoch": FIRST_EPOCH,
            "offset": START,
            "entries": 0,
            "updated_ms": at_ms,
        }
        for partition in range(keyspace.partitions)
    ]
    try:
        async with transaction(sql, write=True) as connection:
            await connection.execute(insert(log_offsets), rows)
    except IntegrityError:
        return  # another process was first; check_partitions looks at what it wrote


async def check_partitions(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> dict[int, int]:
    """The epoch of each partition, where Redis and SQL agree. Safe while everything runs.

    A partition that has never sold gets its epoch here. Raises Refused.
    """
    # What Redis has deleted is read before SQL's offset, its end after it: both only grow, and the
    # writer trims behind the offset, so a running sale never looks broken.
    readers = [LogReader(redis, keyspace.log(number)) for number in range(keyspace.partitions)]
    deleted = [(await reader.info()).max_deleted_id for reader in readers]
    async with transaction(sql, write=False) as connection:
        found = await connection.execute(
            select(log_offsets.c.partition, log_offsets.c.epoch, log_offsets.c.offset)
        )
        rows = {row.partition: (int(row.epoch), str(row.offset)) for row in found}
        beyond_draft = await connection.execute(
            select(drops.c.partition).where(drops.c.state != "draft").distinct()
        )
        used = set(beyond_draft.scalars())
    if sorted(rows) != list(range(keyspace.partitions)):
        raise Refused(
            PARTITIONS,
            f"this deployment has {len(rows)} partitions, not {keyspace.partitions}",
            f"Set it to {len(rows)}: the number is fixed for ever.",
        )
    for partition, (epoch, offset) in sorted(rows.items()):
        if offset == START and partition not in used:
            await redis.set(keyspace.epoch(partition), epoch, nx=True)
        held = await redis.get(keyspace.epoch(partition))
        info = await readers[partition].info()
        _compare(partition, epoch, offset, int(held or 0), deleted[partition], info)
    return {partition: epoch for partition, (epoch, _) in rows.items()}


def _compare(
    partition: int, epoch: int, offset: str, held: int, deleted: str, info: LogInfo
) -> None:
    name = f"partition p{partition:02d}"
    if not held:
        problem = f"Redis has lost {name}, of which SQL holds the log up to {offset}"
        raise Refused(REDIS_URL, problem, RECOVER)
    if held > epoch:
        raise Refused(
            SQL_URL,
            f"the database is an old copy: {name} has epoch {held} in Redis and {epoch} in SQL",
            "Name the database that belongs to this Redis.",
        )
    if held < epoch:
        problem = f"Redis is an old copy: {name} has epoch {held} there and {epoch} in SQL"
        raise Refused(REDIS_URL, problem, RECOVER)
    if id_key(info.last_id) < id_key(offset):
        problem = f"Redis is older than SQL: the log of {name} ends at {info.last_id}, SQL holds it"
        raise Refused(REDIS_URL, f"{problem} up to {offset}", RECOVER)
    if id_key(deleted) > id_key(offset):
        raise Refused(
            SQL_URL,
            f"the database is older than Redis: {name} was trimmed up to {deleted}, SQL holds it "
            f"up to {offset}",
            "Name the database that belongs to this Redis.",
        )
