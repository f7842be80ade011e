"""Queries of pickup stores and pickups."""

from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.tables import skus
from livesale.ledger.tables import drops, orders
from livesale.orders.pickups import PickupState, pickups
from livesale.orders.stages import Stage
from livesale.pickup.places import box_around, chord_squared_of, point_of
from livesale.pickup.tables import pickup_stores
from livesale.validation.lists import has_words
from stock.model import HoldState


class StoreRow(Struct, frozen=True):
    store_id: str
    title: str
    address: str
    phone: str
    state: str
    lat: float
    lng: float
    x: float
    y: float
    z: float
    utc_offset_min: int
    hours: str
    created_ms: int
    updated_ms: int


class PickupRow(Struct, frozen=True):
    order_id: str
    buyer_id: str
    store_id: str
    state: str
    sealed: str
    code_hash: str
    use_id: str
    used_by: str
    used_ms: int
    created_ms: int
    updated_ms: int


class OpenPickup(Struct, frozen=True):
    """An order that waits in a store, as a clerk's phone keeps it."""

    order_id: str
    title: str
    quantity: int
    code_hash: str


_STORE = select(*[pickup_stores.c[name] for name in StoreRow.__struct_fields__])
_PICKUP = select(*[pickups.c[name] for name in PickupRow.__struct_fields__])


async def find_store(
    connection: AsyncConnection, store_id: str, *, lock: bool = False
) -> StoreRow | None:
    query = _STORE.where(pickup_stores.c.store_id == store_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return StoreRow(*row) if row else None


async def list_stores(
    connection: AsyncConnection, after: str, limit: int, state: str = "", words: str = ""
) -> list[StoreRow]:
    query = _STORE.where(pickup_stores.c.store_id > after)
    if state:
        query = query.where(pickup_stores.c.state == state)
    if words:
        query = query.where(_has(words))
    rows = await connection.execute(query.order_by(pickup_stores.c.store_id).limit(limit))
    return [StoreRow(*row) for row in rows]


def _has(words: str) -> ColumnElement[bool]:
    """Whether name or address contains the words."""
    table = pickup_stores
    return or_(has_words(table.c.title, words), has_words(table.c.address, words))


async def put_store(connection: AsyncConnection, new: StoreRow) -> None:
    """Insert or replace it; `created_ms` stays."""
    row = {name: getattr(new, name) for name in StoreRow.__struct_fields__}
    try:
        async with connection.begin_nested():
            await connection.execute(insert(pickup_stores), row)
    except IntegrityError:
        del row["created_ms"]
        await connection.execute(
            update(pickup_stores).where(pickup_stores.c.store_id == new.store_id).values(row)
        )


async def nearest_stores(
    connection: AsyncConnection, lat: float, lng: float, metres: int, limit: int, words: str = ""
) -> list[tuple[StoreRow, float]]:
    """Open stores, the nearest first, each with the square of its chord.

    The index finds those in a box; the haversine, a quarter of that square, sorts them.
    """
    table, box = pickup_stores, box_around(lat, lng, metres)
    x, y, z = point_of(lat, lng)
    by = [(table.c.x - x), (table.c.y - y), (table.c.z - z)]
    chord = (by[0] * by[0] + by[1] * by[1] + by[2] * by[2]).label("chord")
    named = _has(words) if words else true()
    inside = [table.c.lng.between(west, east) for west, east in box.sides]
    query = (
        _STORE.add_columns(chord)
        .where(
            and_(
                table.c.state == "open",
                table.c.lat.between(box.south, box.north),
                or_(*inside),
                chord <= chord_squared_of(metres),
                named,
            )
        )
        .order_by(chord, table.c.store_id)
        .limit(limit)
    )
    return [(StoreRow(*row[:-1]), row[-1]) for row in await connection.execute(query)]


async def find_pickup(connection: AsyncConnection, order_id: str) -> PickupRow | None:
    row = (await connection.execute(_PICKUP.where(pickups.c.order_id == order_id))).first()
    return PickupRow(*row) if row else None


async def find_by_code(
    connection: AsyncConnection, store_id: str, code_hash: str
) -> PickupRow | None:
    query = _PICKUP.where(pickups.c.store_id == store_id, pickups.c.code_hash == code_hash)
    row = (await connection.execute(query.limit(1))).first()
    return PickupRow(*row) if row else None


async def put_pickup(connection: AsyncConnection, new: PickupRow, known: PickupRow | None) -> None:
    """Insert it, or replace the one that is known. The order is locked."""
    row = {name: getattr(new, name) for name in PickupRow.__struct_fields__}
    if known is None:
        await connection.execute(insert(pickups), row)
        return
    await connection.execute(
        update(pickups)
        .where(pickups.c.order_id == new.order_id, pickups.c.state != PickupState.USED)
        .values(row)
    )


async def use_pickup(connection: AsyncConnection, order_id: str, **values: Any) -> bool:
    """waiting → used; False if it has moved on."""
    done = await connection.execute(
        update(pickups)
        .where(pickups.c.order_id == order_id, pickups.c.state == PickupState.WAITING)
        .values(state=PickupState.USED.value, **values)
    )
    return done.rowcount == 1


async def open_pickups(
    connection: AsyncConnection, store_id: str, after: str, limit: int
) -> list[OpenPickup]:
    """Paid orders that wait in a store, by id."""
    joined = (
        pickups.join(orders, orders.c.order_id == pickups.c.order_id)
        .outerjoin(drops, drops.c.drop_id == orders.c.drop_id)
        .outerjoin(skus, skus.c.sku_id == drops.c.sku_id)
    )
    query = (
        select(pickups.c.order_id, skus.c.title, orders.c.quantity, pickups.c.code_hash)
        .select_from(joined)
        .where(
            pickups.c.store_id == store_id,
            pickups.c.state == PickupState.WAITING,
            pickups.c.order_id > after,
            orders.c.state == HoldState.SOLD,
            orders.c.stage == Stage.WAITING.value,
        )
        .order_by(pickups.c.order_id)
        .limit(limit)
    )
    rows = await connection.execute(query)
    return [OpenPickup(row[0], row[1] or "", row[2], row[3]) for row in rows]
