"""Stock that is given to drops: at the opening, and by restocks.

SQL goes first. An opening is one transaction with the drop's state. A restock is claimed in SQL,
then done in Redis, then settled; the keeper finishes one that was cut in between.
"""

from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.stock_moves import store
from livesale.catalogue.stock_moves.kinds import MoveKind, deltas_of
from livesale.catalogue.stock_moves.store import Cause, SkuStock
from livesale.catalogue.stock_moves.tables import drop_restocks
from livesale.ledger.tables import drops

ASKED, DONE, UNDONE = "asked", "done", "undone"


class Restock(Struct, frozen=True):
    """A row of `drop_restocks`."""

    restock_id: str
    drop_id: str
    delta: int
    reason: str
    state: str
    created_ms: int


_RESTOCK = select(*[drop_restocks.c[name] for name in Restock.__struct_fields__])


async def allot(connection: AsyncConnection, drop_id: str, at_ms: int) -> None:
    """Give a drop its units, in the transaction that opens it. Nothing for a SKU without stock.

    Raises StockRefused (too_little_stock).
    """
    found = await connection.execute(
        select(drops.c.sku_id, drops.c.allotted).where(drops.c.drop_id == drop_id)
    )
    sku_id, allotted = found.one()
    stock = await store.lock_stock(connection, sku_id)
    if stock is None or not stock.keeps_stock:
        return
    await store.add_drop_stock(connection, drop_id, sku_id)
    await give(
        connection,
        stock,
        allotted,
        Cause(move_id=f"open|{drop_id}", at_ms=at_ms, drop_id=drop_id),
        needs_free=True,
    )


async def give(
    connection: AsyncConnection,
    stock: SkuStock,
    units: int,
    cause: Cause,
    *,
    needs_free: bool = False,
) -> SkuStock:
    """Give units to a drop. The SKU is locked. Raises StockRefused with `needs_free`."""
    deltas = deltas_of(MoveKind.TO_DROP, units, of_drop=True)
    after, _ = await store.post(
        connection, stock, MoveKind.TO_DROP, units, deltas, cause, needs_free=needs_free
    )
    assert cause.drop_id is not None  # noqa: S101
    await store.change_drop_stock(connection, cause.drop_id, given=units)
    return after


async def claim_restock(
    connection: AsyncConnection, drop_id: str, restock_id: str, delta: int, reason: str, at_ms: int
) -> Restock | None:
    """Take units for a restock that Redis is asked for next; None: the drop has no stock here.

    Raises StockRefused (too_little_stock). A restock that was claimed before is not claimed again.
    """
    drop = await store.find_drop_stock(connection, drop_id)
    if drop is None:
        return None
    stock = await store.lock_stock(connection, drop.sku_id)
    assert stock is not None  # noqa: S101  SKUs are never deleted
    row = (
        await connection.execute(_RESTOCK.where(drop_restocks.c.restock_id == restock_id))
    ).first()
    before = Restock(*row) if row else None
    if before is not None and before.state != UNDONE:
        return before
    restock = Restock(restock_id, drop_id, delta, reason[:200], ASKED, at_ms)
    values = {name: getattr(restock, name) for name in Restock.__struct_fields__}
    if before is None:
        await connection.execute(insert(drop_restocks), values)
    else:
        await connection.execute(
            update(drop_restocks).where(drop_restocks.c.restock_id == restock_id).values(values)
        )
    await give(connection, stock, delta, _cause("restock", restock, at_ms), needs_free=True)
    return restock


async def settle_restock(
    connection: AsyncConnection, restock: Restock, *, done: bool, at_ms: int
) -> bool:
    """Note that Redis has done a restock, or give its units back; False if that was noted."""
    drop = await store.find_drop_stock(connection, restock.drop_id)
    assert drop is not None  # noqa: S101  it was claimed for this drop
    stock = await store.lock_stock(connection, drop.sku_id)
    assert stock is not None  # noqa: S101
    moved = await connection.execute(
        update(drop_restocks)
        .where(
            drop_restocks.c.restock_id == restock.restock_id,
            drop_restocks.c.created_ms == restock.created_ms,
            drop_restocks.c.state == ASKED,
        )
        .values(state=DONE if done else UNDONE)
    )
    if moved.rowcount != 1 or done:
        return moved.rowcount == 1
    deltas = deltas_of(MoveKind.FROM_DROP, restock.delta, of_drop=True)
    cause = _cause("undo", restock, at_ms)
    await store.post(connection, stock, MoveKind.FROM_DROP, restock.delta, deltas, cause)
    await store.change_drop_stock(connection, restock.drop_id, given=-restock.delta)
    return True


async def asked_restocks(connection: AsyncConnection, before_ms: int, limit: int) -> list[Restock]:
    """Restocks that were claimed before this time, and not settled."""
    query = (
        _RESTOCK.where(drop_restocks.c.state == ASKED, drop_restocks.c.created_ms <= before_ms)
        .order_by(drop_restocks.c.created_ms)
        .limit(limit)
    )
    return [Restock(*row) for row in await connection.execute(query)]


def _cause(verb: str, restock: Restock, at_ms: int) -> Cause:
    return Cause(
        move_id=f"{verb}|{restock.restock_id}|{restock.created_ms}",
        at_ms=at_ms,
        drop_id=restock.drop_id,
        note=restock.reason,
    )
