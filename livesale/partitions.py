"""Whether Redis and SQL belong together: their partitions, epochs and places in the log.

SQL fixes the number of partitions by its rows in `log_offsets`. Redis that is empty, older than
SQL, or of another epoch must not sell: its counters are wrong.
"""

from msgspec import Struct
from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.errors import Refused
from livesale.store.database import now_ms, transaction
from livesale.store.states import DRAFT
from livesale.store.tables import drops, log_offsets
from stock.ids import START, id_key
from stock.keyspace import Keyspace
from stock.log import LogReader

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
    # How much Redis has trimmed is read before SQL's offset, the end of its log after it: all of
    # them only grow, and the writer trims behind the offset, so a running sale never looks broken.
    readers = [LogReader(redis, keyspace.log(number)) for number in range(keyspace.partitions)]
    before = [await reader.info() for reader in readers]
    async with transaction(sql, write=False) as connection:
        found = await connection.execute(
            select(*(log_offsets.c[name] for name in _Place.__struct_fields__))
        )
        rows = {row.partition: _Place(*row) for row in found}
        beyond_draft = await connection.execute(
            select(drops.c.partition).where(drops.c.state != DRAFT).distinct()
        )
        used = set(beyond_draft.scalars())
    if sorted(rows) != list(range(keyspace.partitions)):
        raise Refused(
            PARTITIONS,
            f"this deployment has {len(rows)} partitions, not {keyspace.partitions}",
            f"Set it to {len(rows)}: the number is fixed for ever.",
        )
    for partition, place in sorted(rows.items()):
        if place.offset == START and partition not in used:
            await redis.set(keyspace.epoch(partition), place.epoch, nx=True)
        held = await redis.get(keyspace.epoch(partition))
        trimmed = before[partition].entries_added - before[partition].length
        _compare(place, int(held or 0), trimmed, (await readers[partition].info()).last_id)
    return {partition: place.epoch for partition, place in rows.items()}


class _Place(Struct, frozen=True):
    """A row of `log_offsets`: where SQL stands in a partition."""

    partition: int
    epoch: int
    offset: str
    entries: int


def _compare(place: _Place, held: int, trimmed: int, last_id: str) -> None:
    """`held` is the epoch in Redis, `trimmed` how many entries its log has no more."""
    name, epoch, offset = f"partition p{place.partition:02d}", place.epoch, place.offset
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
    if id_key(last_id) < id_key(offset):
        problem = f"Redis is older than SQL: the log of {name} ends at {last_id}, SQL holds it"
        raise Refused(REDIS_URL, f"{problem} up to {offset}", RECOVER)
    if trimmed > place.entries:
        raise Refused(
            SQL_URL,
            f"the database is older than Redis: {trimmed} entries of the log of {name} are gone, "
            f"and SQL holds {place.entries}",
            "Name the database that belongs to this Redis.",
        )
