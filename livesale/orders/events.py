"""What happened to an order after its sale: one row for each transition, in its transaction.

Transactions lock the order's row first (`lock_order`), so the transitions of one order follow each
other; each of them is an UPDATE that names the state before.
"""

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Index, String, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.tables import Id, Rid, State, Table, metadata
from livesale.ledger.tables import orders
from livesale.orders.stages import Stage
from stock.ids import new_id

KEEPER = "keeper"  # who, when nobody asked for it
MAX_WHY = 200
MAX_EVENTS = 500

order_events = Table(
    "order_events",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("order_id", Rid, nullable=False),
    Column("kind", String(24), nullable=False),  # such as parcel.shipped
    Column("about", String(32), nullable=False),  # the parcel or case; else empty
    Column("before", State, nullable=False),
    Column("after", State, nullable=False),
    Column("who", String(100), nullable=False),  # buyer|id, operator|name, keeper
    Column("why", String(MAX_WHY), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("order_events_by_order", "order_id", "at_ms", "event_id"),
)


class Event(Struct, frozen=True):
    kind: str
    about: str
    before: str
    after: str
    who: str
    why: str
    at_ms: int


class Locked(Struct, frozen=True):
    """An order whose row this transaction has locked."""

    order_id: str
    drop_id: str
    buyer_id: str
    state: str
    stage: str
    quantity: int
    price_fen: int
    amount_fen: int
    created_ms: int


_LOCKED = select(*[orders.c[name] for name in Locked.__struct_fields__])
_EVENT = select(*[order_events.c[name] for name in Event.__struct_fields__])


async def lock_order(
    connection: AsyncConnection, order_id: str, buyer_id: str | None = None
) -> Locked | None:
    """The order, locked until the transaction ends; with `buyer_id`, if it is this buyer's."""
    query = _LOCKED.where(orders.c.order_id == order_id)
    if buyer_id is not None:
        query = query.where(orders.c.buyer_id == buyer_id)
    row = (await connection.execute(query.with_for_update())).first()
    return Locked(*row) if row else None


async def move_stage(connection: AsyncConnection, order_id: str, before: str, after: Stage) -> bool:
    """Change the stage by compare-and-set; False if the order has another one."""
    done = await connection.execute(
        update(orders)
        .where(orders.c.order_id == order_id, orders.c.stage == before)
        .values(stage=after.value)
    )
    return done.rowcount == 1


async def add_event(
    connection: AsyncConnection,
    order_id: str,
    kind: str,
    *,
    at_ms: int,
    who: str,
    why: str = "",
    about: str = "",
    before: str = "",
    after: str = "",
) -> None:
    """Write down a transition, in its transaction."""
    row = {
        "event_id": new_id(),
        "order_id": order_id,
        "kind": kind,
        "about": about,
        "before": before,
        "after": after,
        "who": who[:100],
        "why": why[:MAX_WHY],
        "at_ms": at_ms,
    }
    await connection.execute(insert(order_events), row)


async def events_of(connection: AsyncConnection, order_id: str) -> list[Event]:
    """The first 500 events of an order, the oldest first."""
    query = (
        _EVENT.where(order_events.c.order_id == order_id)
        .order_by(order_events.c.at_ms, order_events.c.event_id)
        .limit(MAX_EVENTS)
    )
    return [Event(*row) for row in await connection.execute(query)]
