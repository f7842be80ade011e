"""Prepays: what was announced to a payment gateway, and whether it can still be paid.

The row is written before the gateway is asked, so everything that a buyer may pay is known. Its
state is open, then finally paid or closed; `next_ms` is when the keeper settles it at the latest.
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.payments.tables import prepays

OPEN, PAID, CLOSED = "open", "paid", "closed"


class Prepay(Struct, frozen=True):
    order_id: str
    gateway: str
    prepay_id: str  # empty until the gateway has given it
    amount_fen: int
    state: str
    expires_ms: int
    next_ms: int
    tries: int
    created_ms: int
    updated_ms: int


_PREPAY = select(*[prepays.c[name] for name in Prepay.__struct_fields__])


async def find_prepay(connection: AsyncConnection, order_id: str) -> Prepay | None:
    row = (await connection.execute(_PREPAY.where(prepays.c.order_id == order_id))).first()
    return Prepay(*row) if row else None


async def add_prepay(connection: AsyncConnection, prepay: Prepay) -> bool:
    """Note it; False when another request did at the same time. In a transaction of its own."""
    row = {name: getattr(prepay, name) for name in Prepay.__struct_fields__}
    try:
        await connection.execute(insert(prepays), row)
    except IntegrityError:
        return False
    return True


async def note_prepay_id(
    connection: AsyncConnection, order_id: str, prepay_id: str, at_ms: int
) -> bool:
    """What the gateway gave; False when the prepay is not open any more."""
    done = await connection.execute(
        update(prepays)
        .where(prepays.c.order_id == order_id, prepays.c.state == OPEN)
        .values(prepay_id=prepay_id, updated_ms=at_ms)
    )
    return done.rowcount == 1


async def end_prepay(connection: AsyncConnection, order_id: str, state: str, at_ms: int) -> bool:
    """Open → paid or closed; False when it was not open."""
    done = await connection.execute(
        update(prepays)
        .where(prepays.c.order_id == order_id, prepays.c.state == OPEN)
        .values(state=state, updated_ms=at_ms)
    )
    return done.rowcount == 1


async def open_among(connection: AsyncConnection, order_ids: Sequence[str]) -> set[str]:
    """Which of up to 500 orders have an open prepay."""
    query = select(prepays.c.order_id).where(
        prepays.c.order_id.in_(order_ids), prepays.c.state == OPEN
    )
    return set(await connection.scalars(query))


async def states_of(connection: AsyncConnection, order_ids: Sequence[str]) -> dict[str, str]:
    """The states of the prepays that some orders have."""
    query = select(prepays.c.order_id, prepays.c.state).where(prepays.c.order_id.in_(order_ids))
    rows = await connection.execute(query)
    return {row.order_id: row.state for row in rows}


async def overdue_prepays(connection: AsyncConnection, now_ms: int, limit: int) -> list[Prepay]:
    """Open ones whose time to be settled has come, the oldest first."""
    query = (
        _PREPAY.where(prepays.c.state == OPEN, prepays.c.next_ms <= now_ms)
        .order_by(prepays.c.next_ms)
        .limit(limit)
    )
    return [Prepay(*row) for row in await connection.execute(query)]


async def claim_prepay(connection: AsyncConnection, found: Prepay, next_ms: int) -> bool:
    """Put it off; False when another keeper did so first."""
    done = await connection.execute(
        update(prepays)
        .where(
            prepays.c.order_id == found.order_id,
            prepays.c.state == OPEN,
            prepays.c.next_ms == found.next_ms,
        )
        .values(next_ms=next_ms, tries=prepays.c.tries + 1)
    )
    return done.rowcount == 1
