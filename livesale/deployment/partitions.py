"""Whether Redis and SQL match: their partitions, epochs and positions in the log.

SQL fixes the number of partitions by its rows in `log_offsets`. A Redis that is empty, older than
SQL, or of another epoch must not sell: its counters are wrong.
"""

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.engine import now_ms, transaction
from livesale.errors import Refused
from livesale.ledger.log_gap import find_gap
from livesale.ledger.rows import Position, position
from livesale.ledger.states import DRAFT
from livesale.ledger.tables import drops, log_offsets
from stock.ids import START, id_key
from stock.keyspace import Keyspace
from stock.log import LogReader

FIRST_EPOCH = 1
PARTITIONS = "LIVESALE__STOCK__PARTITIONS"
REDIS_URL = "LIVESALE__REDIS__URL"
SQL_URL = "LIVESALE__SQL__URL"
RECOVER = "Run `livesale recover`: it rebuilds Redis from SQL. Until then nothing is sold."
RECOVER_AGAIN = "Wait for `livesale recover` to end; if it died, run it again."
RECOVERING = "recovering-"
DIFFERS = "differs-"


async def claim_partitions(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> None:
    """Write the first rows of a new deployment; leave an existing one unchanged.

    Raises Refused if SQL is new but Redis is not: then one of them is the wrong one.
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
                "Use the database that belongs to this Redis, or an empty Redis.",
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
        return  # another process was first; check_partitions checks its rows


async def check_partitions(redis: Redis, sql: AsyncEngine, keyspace: Keyspace) -> dict[int, int]:
    """The epoch of each partition, if Redis and SQL agree. Safe while everything runs.

    Gives a new partition its first epoch. Raises Refused.
    """
    async with transaction(sql, write=False) as connection:
        found = await connection.execute(select(log_offsets.c.partition))
        rows = set(found.scalars())
        beyond_draft = await connection.execute(
            select(drops.c.partition).where(drops.c.state != DRAFT).distinct()
        )
        used = set(beyond_draft.scalars())
    _check_number(rows, keyspace)
    epochs = {}
    for partition in range(keyspace.partitions):
        look = await look_at(redis, sql, keyspace, partition, claim=partition not in used)
        if look.refusal is not None:
            raise look.refusal
        epochs[partition] = look.epoch
    return epochs


async def check_number(sql: AsyncEngine, keyspace: Keyspace) -> None:
    """Check that a database that has partitions has those of the settings. Raises Refused."""
    async with transaction(sql, write=False) as connection:
        rows = set((await connection.scalars(select(log_offsets.c.partition))).all())
    if rows:
        _check_number(rows, keyspace)


def _check_number(rows: set[int], keyspace: Keyspace) -> None:
    if rows != set(range(keyspace.partitions)):
        raise Refused(
            PARTITIONS,
            f"this deployment has {len(rows)} partitions, not {keyspace.partitions}",
            f"Set it to {len(rows)}: the number cannot change.",
        )


class Look(Struct, frozen=True):
    """One partition in both stores. `held` is the epoch in Redis, 0 if it has no valid one.

    `refusal` says why it must not sell; None if Redis and SQL belong together.
    """

    partition: int
    epoch: int
    held: int
    offset: str
    refusal: Refused | None


async def look_at(
    redis: Redis, sql: AsyncEngine, keyspace: Keyspace, partition: int, *, claim: bool = False
) -> Look:
    """Compare one partition. With `claim`, an unused partition gets its epoch in Redis.

    Raises Refused if SQL does not have the partition, and the drivers' faults.
    """
    # Read Redis's trimmed count, then SQL's offset, then the end of the log: all of them only grow,
    # and the writer trims up to the offset, so a running sale never looks broken.
    reader = LogReader(redis, keyspace.log(partition))
    before = await reader.info()
    place = await _place(sql, partition)
    text = str(await redis.get(keyspace.epoch(partition)) or "")
    if claim and not text and place.offset == START:
        text = await _claim(redis, keyspace.epoch(partition), place.epoch)
    trimmed = before.entries_added - before.length
    refusal = _compare(partition, place, text, trimmed, (await reader.info()).last_id)
    if refusal is None:
        gap = await find_gap(redis, reader, place)
        if gap and await _place(sql, partition) == place:
            problem = f"Redis is older than SQL in partition p{partition:02d}: {gap}"
            refusal = Refused(REDIS_URL, problem, RECOVER)
    held = int(text) if text.isdecimal() else 0
    return Look(partition, place.epoch, held, place.offset, refusal)


async def _claim(redis: Redis, key: str, epoch: int) -> str:
    """Write the first epoch of a partition; returns the present one. Only for a new deployment:
    other starts write nothing, so they work on a full Redis. Raises Refused."""
    try:
        await redis.set(key, epoch, nx=True)
    except OutOfMemoryError as error:
        cure = "Raise its maxmemory: a new deployment must write there."
        raise Refused(REDIS_URL, f"Redis is full: {error}", cure) from None
    return str(await redis.get(key) or "")


async def _place(sql: AsyncEngine, partition: int) -> Position:
    async with transaction(sql, write=False) as connection:
        found = await position(connection, partition)
    if found is None:
        raise Refused(
            SQL_URL,
            f"the database has no row for partition p{partition:02d} in log_offsets",
            "Use the database that belongs to this Redis.",
        )
    return found


def recovering(epoch: int) -> str:
    """The marker that replaces an epoch in Redis while `livesale recover` works."""
    return f"{RECOVERING}{epoch}"


def differs(epoch: int) -> str:
    """The marker that replaces an epoch in Redis if its books differ from SQL's.

    It closes the partition for every process, also for new ones, until it is recovered.
    """
    return f"{DIFFERS}{epoch}"


def _compare(
    partition: int, place: Position, text: str, trimmed: int, last_id: str
) -> Refused | None:
    """`text` is the epoch in Redis, `trimmed` the number of entries removed from its log."""
    name, epoch, offset = f"partition p{partition:02d}", place.epoch, place.offset
    if text.startswith(RECOVERING):
        return Refused(REDIS_URL, f"{name} is being recovered", RECOVER_AGAIN)
    if text.startswith(DIFFERS):
        problem = f"after a failover the books of {name} in Redis differ from those of SQL"
        return Refused(REDIS_URL, problem, RECOVER)
    if not text.isdecimal() or int(text) == 0:
        problem = f"Redis has lost {name}: SQL has its log up to {offset}"
        return Refused(REDIS_URL, problem, RECOVER)
    held = int(text)
    if held > epoch:
        return Refused(
            SQL_URL,
            f"the database is an old copy: {name} has epoch {held} in Redis and {epoch} in SQL",
            "Use the database that belongs to this Redis.",
        )
    if held < epoch:
        problem = f"Redis is an old copy: {name} has epoch {held} there and {epoch} in SQL"
        return Refused(REDIS_URL, problem, RECOVER)
    if id_key(last_id) < id_key(offset):
        problem = f"Redis is older than SQL: the log of {name} ends at {last_id}, SQL holds it"
        return Refused(REDIS_URL, f"{problem} up to {offset}", RECOVER)
    if trimmed > place.entries:
        return Refused(
            SQL_URL,
            f"the database is older than Redis: {trimmed} entries of the log of {name} are gone, "
            f"and SQL holds {place.entries}",
            "Use the database that belongs to this Redis.",
        )
    return None
