"""Finds what prevents a rebuild of a partition, before anything is cleared. Read-only."""

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import among, of_some, portions
from livesale.ledger.rows import Position
from livesale.ledger.tables import books, drops, orders, stock_ledger
from livesale.printing.wording import counted
from stock.books import Books
from stock.ids import START
from stock.model import HoldState

SHOWN = 3  # number of drops that the text names
CURE = "Correct it in SQL, or restore a backup, then run this again; Redis is not changed."

_STATES = tuple(state.value for state in HoldState)


async def find_misfit(connection: AsyncConnection, partition: int, place: Position) -> str:
    """Why Redis cannot be rebuilt from SQL, or empty: makes all checks of the restoring scripts."""
    if place.offset != START and place.entries < 1:
        return f"SQL holds the log up to {place.offset} and counts {place.entries} entries"
    here = and_(drops.c.partition == partition, drops.c.archived_ms.is_(None))
    counters = [books.c[name] for name in Books.__struct_fields__]
    rows = await connection.execute(
        select(drops.c.drop_id, *counters)
        .select_from(drops.join(books, books.c.drop_id == drops.c.drop_id))
        .where(here)
    )
    held = {drop_id: Books(*map(int, counts)) for drop_id, *counts in rows}
    units: dict[tuple[str, str], int] = {}
    for some in portions(list(held)):
        sums = await connection.execute(
            select(orders.c.drop_id, orders.c.state, func.sum(orders.c.quantity))
            .where(of_some(orders.c.order_id, some))
            .group_by(orders.c.drop_id, orders.c.state)
        )
        for drop_id, state, quantity in sums:
            units[drop_id, state] = int(quantity)
        moved = stock_ledger.c
        came_back = await connection.execute(
            select(moved.drop_id, func.sum(moved.sold))
            .where(moved.kind == "take_back", among(moved.drop_id, some))
            .group_by(moved.drop_id)
        )
        for drop_id, back in came_back:
            key = (drop_id, HoldState.SOLD.value)
            units[key] = units.get(key, 0) + int(back)  # negative
    strange = sorted({state for _, state in units} - set(_STATES))
    if strange:
        return f"this version knows no order that is {', '.join(strange)}"
    found = [text for drop_id, here in held.items() if (text := _differs(drop_id, here, units))]
    more = f"; and {counted(len(found) - SHOWN, 'more drop')}" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _differs(drop_id: str, found: Books, units: dict[tuple[str, str], int]) -> str:
    if not found.balanced:
        return f"the books of {drop_id} in SQL do not balance: {found}"
    held = units.get((drop_id, HoldState.HELD.value), 0)
    sold = units.get((drop_id, HoldState.SOLD.value), 0)
    if (held, sold) == (found.held, found.sold):
        return ""
    return (
        f"{drop_id}: its orders add up to {held} held and {sold} sold, its books in SQL say "
        f"{found.held} and {found.sold}"
    )
