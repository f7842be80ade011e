"""Finds the faults of a partition, and what recovery would do. Read-only."""

from msgspec import Struct
from sqlalchemy import func, select

from livesale.database.engine import snapshot
from livesale.database.ranges import of_some, portions
from livesale.deployment.partitions import SQL_URL, look_at
from livesale.errors import Refused
from livesale.ledger.log_gap import find_gap
from livesale.ledger.rows import Position, position
from livesale.ledger.tables import books, drops, orders
from livesale.ledger.tail import read_item
from livesale.operations.recovery.misfit import CURE, find_misfit
from livesale.resources import Deployment
from stock.entries import Confirmed, begins
from stock.errors import LogTooNew
from stock.log import LogReader

PAGE = 500
NEWER = "Run `livesale recover` of the version that wrote it, or of a later one."


class Diagnosis(Struct, frozen=True):
    """One partition. Healthy if `problem` is empty; not recoverable if `cure` is not empty.

    `left_entries` are log entries that SQL lacks: salvaged if they continue SQL's log
    (`continuous`), else quarantined and merged. `held_text` is the epoch in Redis; `unknown` says
    what may have been lost, or is empty.
    """

    partition: int
    problem: str
    cure: str
    place: Position
    held_text: str | None
    continuous: bool
    left_entries: int
    left_reservations: int
    left_payments: int
    drops: int
    orders: int
    held_units: int
    sold_units: int
    unknown: str

    @property
    def healthy(self) -> bool:
        return not self.problem


async def diagnose(deployment: Deployment, partition: int) -> Diagnosis:
    """Compare one partition. Raises Refused if SQL does not have it."""
    redis, keyspace = deployment.redis, deployment.keyspace
    look = await look_at(redis, deployment.sql, keyspace, partition)
    reader = LogReader(redis, keyspace.log(partition))
    async with snapshot(deployment.sql) as connection:
        place = await position(connection, partition)
        if place is None:
            raise Refused(
                SQL_URL, f"it has no partition p{partition:02d}", "Use the right database."
            )
        here = (drops.c.partition == partition) & drops.c.archived_ms.is_(None)
        counted = await connection.execute(
            select(func.count(), func.sum(books.c.held), func.sum(books.c.sold))
            .select_from(drops.join(books, books.c.drop_id == drops.c.drop_id))
            .where(here)
        )
        count, held, sold = counted.one()
        drop_ids = (await connection.scalars(select(drops.c.drop_id).where(here))).all()
        ordered = 0
        for some in portions(drop_ids):
            query = select(func.count()).where(of_some(orders.c.order_id, some))
            ordered += await connection.scalar(query) or 0
        misfit = await find_misfit(connection, partition, place)
    gap = await find_gap(redis, reader, place)
    left, too_new = await _left(reader, place.offset)
    held_text: str | None = await redis.get(keyspace.epoch(partition))  # type: ignore[assignment]
    problem, cure = _verdict(look.refusal, misfit, too_new)
    return Diagnosis(
        partition=partition,
        problem=problem,
        cure=cure,
        place=place,
        held_text=held_text,
        continuous=not gap,
        left_entries=left[0],
        left_reservations=left[1],
        left_payments=left[2],
        drops=count,
        orders=ordered,
        held_units=int(held or 0),
        sold_units=int(sold or 0),
        unknown=_unknown(gap, place),
    )


def _verdict(refusal: Refused | None, misfit: str, too_new: str) -> tuple[str, str]:
    """The problem, and the cure if recovery cannot help: the same refusals as in the recovery."""
    if refusal is None:
        return "", ""
    if refusal.setting == SQL_URL:
        return refusal.problem, refusal.cure
    if too_new:
        return f"{refusal.problem}, and the rest of the log is from another version: {too_new}", (
            NEWER
        )
    if misfit:
        return f"{refusal.problem}, and it cannot be rebuilt from SQL: {misfit}", CURE
    return refusal.problem, ""


async def _left(reader: LogReader, offset: str) -> tuple[tuple[int, int, int], str]:
    """Entries that SQL lacks, their reservations and payments; and why one is too new, if so."""
    entries = reservations = payments = 0
    too_new = ""
    while page := await reader.between(offset, "+", PAGE):
        for raw in page:
            try:
                entry = read_item(*raw).entry
            except LogTooNew as end:
                entry, too_new = None, too_new or str(end)
            rows = entry.rows if entry else ()
            reservations += sum(map(begins, rows))
            payments += sum(isinstance(row, Confirmed) for row in rows)
        entries += len(page)
        offset = page[-1][0]
    return (entries, reservations, payments), too_new


def _unknown(gap: str, place: Position) -> str:
    if not gap:
        return ""  # the log continues from SQL's offset
    return (
        f"reservations acknowledged after {place.offset} that had not reached SQL; "
        "a drop that is still `opening` must be opened again"
    )
