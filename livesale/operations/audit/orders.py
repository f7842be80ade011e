"""I5, I7, I8 and I11: checks within SQL, in one snapshot, aggregated by the database."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import Some, of_some, portions
from livesale.ledger import wrong_rows
from livesale.ledger.check import Check, verdict
from livesale.ledger.instant import Instant
from livesale.ledger.quarantine import QuarantineState
from livesale.ledger.tables import drops, orders, payments, quarantine, refunds
from livesale.printing.wording import counted

I5 = ("I5", "one effect per reservation, no buyer over the limit")
I7 = ("I7", "a hold ends once, and its stock comes back once")
I8 = ("I8", "sold ⇔ paid in full, or granted; money that must go back has a refund")
I11 = ("I11", "no reservation before the opening")
QUARANTINE = ("log", "entries put into quarantine")


async def over_the_limit(connection: AsyncConnection, instant: Instant) -> list[str]:
    """I5: buyers who hold and own more units of a drop than its limit."""
    found = await _all(wrong_rows.over_the_limit, connection, instant)
    instant.progress.count(len(instant.drops))  # the other half looks at each again, in Redis
    return found


async def check_endings(connection: AsyncConnection, instant: Instant) -> Check:
    """I7: for each order, the ledger has one reservation, at most one end, and the right sums."""
    broken = await _all(wrong_rows.wrong_endings, connection, instant)
    count = await _count(connection, orders.c.order_id, instant.some)
    fine = f"{counted(count, 'order')} against their movements{instant.besides}"
    return verdict(*I7, broken, fine)


async def check_payments(connection: AsyncConnection, instant: Instant) -> Check:
    """I8: in both directions, and each payment that must go back has its refund."""
    broken = await _all(wrong_rows.wrong_payments, connection, instant)
    if instant.some is not None:
        broken += await wrong_rows.wrong_refunds_of_nobody(connection)
    paid = await _count(connection, payments.c.order_id, instant.some)
    due = await _count(connection, refunds.c.order_id, instant.some)
    fine = f"{counted(paid, 'payment')}, {counted(due, 'refund')}{instant.besides}"
    return verdict(*I8, broken, fine)


async def check_opening(connection: AsyncConnection, instant: Instant) -> Check:
    """I11: by the times in the rows, which come from Redis's clock."""
    broken = await _all(wrong_rows.early_orders, connection, instant)
    firsts = []
    for some in portions(instant.some):
        query = (
            select(func.min(orders.c.created_ms - drops.c.opens_ms))
            .join(drops, drops.c.drop_id == orders.c.drop_id)
            .where(of_some(orders.c.order_id, some))
        )
        firsts += [found for found in await connection.scalars(query) if found is not None]
    fine = f"the first came {min(firsts)} ms after an opening" if firsts else "no orders yet"
    return verdict(*I11, broken, f"{fine}{instant.besides}")


async def report_quarantine(connection: AsyncConnection) -> Check:
    """Reports the quarantine. It alone breaks no promise: other checks find broken ones."""
    aside = quarantine.c.state == QuarantineState.ASIDE
    count = await connection.scalar(select(func.count()).where(aside)) or 0
    if not count:
        return Check(*QUARANTINE, True, "none")
    newest = quarantine.c.created_ms.desc()
    query = select(quarantine.c.log_id, quarantine.c.reason).where(aside)
    query = query.order_by(newest).limit(1)
    log_id, reason = (await connection.execute(query)).one()
    return Check(*QUARANTINE, True, f"{count} to check; the newest is {log_id}: {reason}")


async def _all(
    look: Callable[[AsyncConnection, Some], Awaitable[list[str]]],
    connection: AsyncConnection,
    instant: Instant,
) -> list[str]:
    found = []
    for some in portions(instant.some):
        found += await look(connection, some)
        instant.progress.advance(len(some or instant.drops))
    return found


async def _count(connection: AsyncConnection, order_id: Any, some: Some) -> int:
    """Rows of these drops, in the table of the column `order_id`."""
    count = 0
    for part in portions(some):
        count += await connection.scalar(select(func.count()).where(of_some(order_id, part))) or 0
    return count
