"""Reads of orders. Only the writer writes them."""

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import older
from livesale.ledger.tables import drops, orders
from stock.model import HoldState


class Order(Struct, frozen=True, gc=False):
    order_id: str
    drop_id: str
    buyer_id: str
    quantity: int
    price_fen: int
    amount_fen: int
    state: str
    expires_ms: int
    created_ms: int
    updated_ms: int
    stage: str  # of a sold order: livesale.orders.stages
    room_id: str | None = None  # the live room of its drop


_ORDER = select(
    *[orders.c[name] for name in Order.__struct_fields__ if name != "room_id"], drops.c.room_id
).select_from(orders.outerjoin(drops, drops.c.drop_id == orders.c.drop_id))


async def find_order(connection: AsyncConnection, order_id: str, buyer_id: str) -> Order | None:
    """The order, if it is this buyer's."""
    query = _ORDER.where(orders.c.order_id == order_id, orders.c.buyer_id == buyer_id)
    row = (await connection.execute(query)).first()
    return Order(*row) if row else None


async def list_orders(
    connection: AsyncConnection, buyer_id: str, *, before: tuple[int, str] | None, limit: int
) -> list[Order]:
    """A buyer's orders older than the key (created_ms, order_id), the newest first."""
    query = (
        _ORDER.where(orders.c.buyer_id == buyer_id)
        .order_by(orders.c.created_ms.desc(), orders.c.order_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(older(orders.c.created_ms, orders.c.order_id, before))
    return [Order(*row) for row in await connection.execute(query)]


async def held_orders(
    connection: AsyncConnection, buyer_id: str, *, since_ms: int, limit: int
) -> list[Order]:
    """A buyer's orders that are held, of those since a time; the newest first."""
    query = (
        _ORDER.where(
            orders.c.buyer_id == buyer_id,
            orders.c.created_ms >= since_ms,
            orders.c.state == HoldState.HELD,
        )
        .order_by(orders.c.created_ms.desc(), orders.c.order_id.desc())
        .limit(limit)
    )
    return [Order(*row) for row in await connection.execute(query)]


async def list_orders_of_drop(
    connection: AsyncConnection, drop_id: str, *, after: str, limit: int
) -> list[Order]:
    """A drop's orders by id, after the id `after`. An order id begins with its drop's id."""
    query = (
        _ORDER.where(orders.c.order_id > (after or f"{drop_id}-"), orders.c.drop_id == drop_id)
        .where(orders.c.order_id < f"{drop_id}.")  # the character after the dash
        .order_by(orders.c.order_id)
        .limit(limit)
    )
    return [Order(*row) for row in await connection.execute(query)]


async def find_any_order(connection: AsyncConnection, order_id: str) -> Order | None:
    """The order of any buyer: for money and for operators."""
    row = (await connection.execute(_ORDER.where(orders.c.order_id == order_id))).first()
    return Order(*row) if row else None
