"""Prepays: orders announced to a payment gateway, and whether they can still be paid.

The row is written before the gateway is called, so we know every order that a buyer may pay. Its
state is open, then finally paid or closed; the keeper settles it at `next_ms` at the latest.
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.payments.tables import prepays
from livesale.tokens.apps import App

OPEN, PAID, CLOSED = "open", "paid", "closed"


class Prepay(Struct, frozen=True):
    order_id: str
    gateway: str
    prepay_id: str  # empty until the gateway returns it
    amount_fen: int
    state: str
    expires_ms: int
    next_ms: int
    tries: int
    created_ms: int
    updated_ms: int
    app: str = App.MINI_PROGRAM  # in which it was announced

    @property
    def announced_in(self) -> App:
        return App(self.app or App.MINI_PROGRAM)


_PREPAY = select(*[prepays.c[name] for name in Prepay.__struct_fields__])


async def find_prepay(connection: AsyncConnection, order_id: str) -> Prepay | None:
    row = (await connection.execute(_PREPAY.where(prepays.c.order_id == order_id))).first()
    return Prepay(*row) if row else None


async def add_prepay(connection: AsyncConnection, prepay: Prepay) -> bool:
    """Insert it; False if a concurrent request did. Uses its own transaction."""
    row = {name: getattr(prepay, name) for name in Prepay.__struct_fields__}
    try:
        await connection.execute(insert(prepays), row)
    except IntegrityError:
        return False
    return True


async def note_prepay_id(
    connection: AsyncConnection, order_id: str, prepay_id: str, at_ms: int
) -> bool:
    """Save the gateway's prepay id; False if the prepay is no longer open."""
    done = await connection.execute(
        update(prepays)
        .where(prepays.c.order_id == order_id, prepays.c.state == OPEN)
        .values(prepay_id=prepay_id, updated_ms=at_ms)
    )
    return done.rowcount == 1


async def end_prepay(connection: AsyncConnection, order_id: str, state: str, at_ms: int) -> bool:
    """Open → paid or closed; False if it was not open."""
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
    """The states of these orders' prepays."""
    query = select(prepays.c.order_id, prepays.c.state).where(prepays.c.order_id.in_(order_ids))
    rows = await connection.execute(query)
    return {row.order_id: row.state for row in rows}


async def overdue_prepays(connection: AsyncConnection, now_ms: int, limit: int) -> list[Prepay]:
    """Open prepays that are due, the oldest first."""
    query = (
        _PREPAY.where(prepays.c.state == OPEN, prepays.c.next_ms <= now_ms)
        .order_by(prepays.c.next_ms)
        .limit(limit)
    )
    return [Prepay(*row) for row in await connection.execute(query)]


async def claim_prepay(connection: AsyncConnection, found: Prepay, next_ms: int) -> bool:
    """Postpone it, which claims it; False if another keeper was first."""
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
