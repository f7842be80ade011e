"""I1, I2 and I3: the counters in both stores. I10: the positions in the log."""

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import portions
from livesale.ledger.check import Check, verdict
from livesale.ledger.instant import DropView, Instant
from livesale.ledger.plan import shift
from livesale.ledger.wrong_rows import ledger_sums
from livesale.printing.wording import counted
from livesale.resources import Deployment
from stock.books import Books
from stock.ids import id_key
from stock.log import LogReader

I1 = ("I1", "books balance: allotted = available + held + sold + burned, all ≥ 0")
I2 = ("I2", "the ledger adds up to the books")
I3 = ("I3", "Redis = SQL ⊕ the rest of the log")
I10 = ("I10", "one epoch, and SQL is not ahead of the log")


def check_balance(instant: Instant) -> Check:
    """I1, in SQL and in Redis, whose snapshot script refuses unbalanced books."""
    broken = [view.fault for view in instant.drops.values() if view.fault]
    broken += [
        f"{view.drop_id} in SQL: {show(view.sql_books)}"
        for view in instant.drops.values()
        if view.sql_books is not None and not view.sql_books.balanced
    ]
    seen = sum(view.snapshot is not None for view in instant.drops.values())
    fine = f"{counted(seen, 'drop')} in Redis, {len(instant.drops):,} in SQL{instant.besides}"
    return verdict(*I1, broken, fine)


async def check_ledger(connection: AsyncConnection, instant: Instant) -> Check:
    """I2: a drop's movements add up to its books, in one SQL snapshot."""
    sums: dict[str, tuple[Books, int]] = {}
    for some in portions(instant.some):
        sums |= await ledger_sums(connection, some)
        instant.progress.advance(len(some or instant.drops))
    held = {view.drop_id: view.sql_books for view in instant.drops.values() if view.sql_books}
    broken = [
        f"{view.drop_id} has books but is not a drop"
        for view in instant.drops.values()
        if not view.sql_state
    ]
    for drop_id in sorted(sums.keys() | held.keys()):
        moved, _ = sums.get(drop_id, (Books(), 0))
        if moved != held.get(drop_id):
            broken.append(
                f"{drop_id}: the ledger adds up to {show(moved)}, the books say "
                f"{show(held.get(drop_id))}"
            )
    rows = sum(count for _, count in sums.values())
    seen = f"{counted(rows, 'movement')} of {counted(len(sums), 'drop')}{instant.besides}"
    return verdict(*I2, broken, seen)


def check_sides(instant: Instant) -> Check:
    """I3, at the instant of each drop's snapshot."""
    broken = [text for view in instant.drops.values() if (text := _difference(view))]
    units = sum(view.snapshot.terms.allotted for view in instant.drops.values() if view.snapshot)
    seen = f"{counted(len(instant.drops), 'drop')}, {counted(units, 'unit')}, exact at an instant"
    return verdict(*I3, broken, f"{seen}{instant.besides}")


def _difference(view: DropView) -> str:
    snapshot = view.snapshot
    if snapshot is None:
        missing = view.was_opened and not view.fault
        return f"{view.drop_id} is {view.sql_state} in SQL but missing in Redis" if missing else ""
    sql = shift(view.sql_books or Books(), view.moved)
    if sql != snapshot.books:
        return f"{view.drop_id}: SQL with the log is {show(sql)}, Redis has {show(snapshot.books)}"
    state = view.state_after or view.sql_state
    if state != snapshot.state:
        return f"{view.drop_id} is {state} in SQL with the log, {snapshot.state.value} in Redis"
    return ""


async def check_places(deployment: Deployment, reader: "Redis", instant: Instant) -> Check:
    """I10: for each partition, the same epoch in both stores, and the offset within the log."""
    keyspace = deployment.keyspace
    broken = []
    if sorted(instant.positions) != list(range(keyspace.partitions)):
        broken.append(f"SQL has partitions {sorted(instant.positions)}, not {keyspace.partitions}")
    for partition, position in sorted(instant.positions.items()):
        if partition >= keyspace.partitions:
            continue
        epoch: str | None = await reader.get(keyspace.epoch(partition))  # type: ignore[assignment]
        if epoch != str(position.epoch):
            broken.append(f"p{partition:02d}: epoch {epoch} in Redis, {position.epoch} in SQL")
        info = await LogReader(reader, keyspace.log(partition)).info()
        if id_key(info.last_id) < id_key(position.offset):
            broken.append(
                f"p{partition:02d}: SQL holds the log up to {position.offset}, it ends at "
                f"{info.last_id}"
            )
        if info.entries_added < position.entries:
            broken.append(
                f"p{partition:02d}: SQL holds {position.entries} entries, the log had "
                f"{info.entries_added}"
            )
    epochs = sorted({position.epoch for position in instant.positions.values()})
    return verdict(
        *I10,
        broken,
        f"{counted(keyspace.partitions, 'partition')}, epoch {', '.join(map(str, epochs))}",
    )


def show(books: Books | None) -> str:
    """Books in one short line."""
    if books is None:
        return "nothing"
    b = books
    return f"{b.allotted} = {b.available} available + {b.held} held + {b.sold} sold + {b.burned}"
