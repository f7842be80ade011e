"""Units that leave for buyers and come back, for the orders: in the orders' transactions."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.stock_moves import store
from livesale.catalogue.stock_moves.kinds import MoveKind, deltas_of
from livesale.catalogue.stock_moves.store import Cause, Move
from livesale.ledger.tables import drops
from stock.ids import drop_of


async def ship(
    connection: AsyncConnection,
    *,
    ref: str,
    order_id: str,
    units: int,
    at_ms: int,
    actor: str = "",
    note: str = "",
) -> Move | None:
    """Units of an order leave. Once for each `ref` (1 to 64 characters, such as the shipment's id).

    None if the SKU of the order keeps no stock. Raises KeyConflict if the `ref` shipped something
    else.
    """
    return await _move(connection, MoveKind.SHIPPED, ref, order_id, units, at_ms, actor, note)


async def bring_back(
    connection: AsyncConnection,
    *,
    ref: str,
    order_id: str,
    units: int,
    at_ms: int,
    to_drop: bool,
    actor: str = "",
    note: str = "",
) -> Move | None:
    """Units of an order came back from the buyer. Once for each `ref`.

    `to_drop`: they belong to the drop again, until the engine takes them back from the order: then
    the keeper frees or scraps them, as the books say. Without it they are free at once: for a drop
    that has left Redis. None if the SKU keeps no stock. Raises KeyConflict.
    """
    return await _move(
        connection, MoveKind.BACK, ref, order_id, units, at_ms, actor, note, to_drop=to_drop
    )


async def _move(
    connection: AsyncConnection,
    kind: MoveKind,
    ref: str,
    order_id: str,
    units: int,
    at_ms: int,
    actor: str,
    note: str,
    *,
    to_drop: bool = True,
) -> Move | None:
    drop_id = drop_of(order_id)
    sku_id = await connection.scalar(select(drops.c.sku_id).where(drops.c.drop_id == drop_id))
    stock = await store.lock_stock(connection, sku_id) if sku_id else None
    if stock is None:
        return None
    drop = await store.find_drop_stock(connection, drop_id)
    if drop is None and not stock.keeps_stock:
        return None
    move_id = f"{kind}|{ref}"
    before = await store.find_move(connection, move_id)
    of_drop = drop is not None and to_drop
    cause = Cause(
        move_id=move_id,
        at_ms=at_ms,
        drop_id=drop_id,
        order_id=order_id,
        note=note[:200],
        actor=actor[:80],
    )
    deltas = deltas_of(kind, units, of_drop=of_drop)
    _, move = await store.post(connection, stock, kind, units, deltas, cause)
    if before is None and of_drop:
        by = units if kind is MoveKind.SHIPPED else -units
        await store.change_drop_stock(connection, drop_id, shipped=by)
    return move
