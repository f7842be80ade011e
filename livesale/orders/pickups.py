"""Orders that a buyer collects in a store: an order has an address, or one of these.

The table is here, because who gives an address takes the pickup away, and the other way round.
"""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, String, delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.tables import BuyerId, Id, Rid, State, Table, metadata
from livesale.orders.addresses.tables import order_addresses


class PickupState(StrEnum):
    WAITING = "waiting"
    USED = "used"
    CANCELLED = "cancelled"


pickups = Table(
    "pickups",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("buyer_id", BuyerId, nullable=False),
    Column("store_id", Id, nullable=False),
    Column("state", State, nullable=False),  # waiting, used, cancelled
    Column("sealed", String(120), nullable=False),  # the code, for the buyer's eyes
    Column("code_hash", String(64), nullable=False),  # for the store: livesale.pickup.codes
    Column("use_id", String(64), nullable=False),  # of the use that counted; else empty
    Column("used_by", String(100), nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("pickups_by_store", "store_id", "state", "order_id"),
    Index("pickups_by_code", "store_id", "code_hash"),
)


async def cancel_pickup(connection: AsyncConnection, order_id: str, at_ms: int) -> bool:
    """No store hands it out any more; False if none waited for it."""
    done = await connection.execute(
        update(pickups)
        .where(pickups.c.order_id == order_id, pickups.c.state == PickupState.WAITING)
        .values(state=PickupState.CANCELLED.value, updated_ms=at_ms)
    )
    return done.rowcount == 1


async def drop_address(connection: AsyncConnection, order_id: str) -> bool:
    """Forget where an order goes; False if nobody had said it."""
    done = await connection.execute(
        delete(order_addresses).where(order_addresses.c.order_id == order_id)
    )
    return done.rowcount == 1
