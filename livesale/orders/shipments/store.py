"""Queries of parcels. Every UPDATE names the state that it expects."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.orders.shipments.tables import parcels


class ParcelState(StrEnum):
    PACKING = "packing"
    SHIPPED = "shipped"
    RECEIVED = "received"
    CANCELLED = "cancelled"


class Parcel(Struct, frozen=True):
    parcel_id: str
    order_id: str
    state: str
    method: str
    carrier: str
    number: str
    note: str
    is_last: bool
    sealed: str
    key_id: str
    created_ms: int
    shipped_ms: int
    received_ms: int
    due_ms: int
    updated_ms: int


_PARCEL = select(*[parcels.c[name] for name in Parcel.__struct_fields__])


async def find_parcel(connection: AsyncConnection, parcel_id: str) -> Parcel | None:
    row = (await connection.execute(_PARCEL.where(parcels.c.parcel_id == parcel_id))).first()
    return Parcel(*row) if row else None


async def parcels_of(connection: AsyncConnection, order_ids: Sequence[str]) -> list[Parcel]:
    """The parcels of up to 500 orders, the oldest first; without cancelled ones."""
    query = _PARCEL.where(
        parcels.c.order_id.in_(order_ids), parcels.c.state != ParcelState.CANCELLED
    ).order_by(parcels.c.created_ms, parcels.c.parcel_id)
    return [Parcel(*row) for row in await connection.execute(query)]


async def add_parcel(connection: AsyncConnection, new: Parcel) -> None:
    row = {name: getattr(new, name) for name in Parcel.__struct_fields__}
    await connection.execute(insert(parcels), row)


async def change_parcel(connection: AsyncConnection, found: Parcel, **values: Any) -> bool:
    """Change a parcel by compare-and-set on its state; False if it has moved on."""
    done = await connection.execute(
        update(parcels)
        .where(parcels.c.parcel_id == found.parcel_id, parcels.c.state == found.state)
        .values(values)
    )
    return done.rowcount == 1


async def due_parcels(connection: AsyncConnection, at_ms: int, limit: int) -> list[Parcel]:
    """Shipped parcels that count as received now, the longest waiting first."""
    query = (
        _PARCEL.where(parcels.c.state == ParcelState.SHIPPED, parcels.c.due_ms <= at_ms)
        .order_by(parcels.c.due_ms)
        .limit(limit)
    )
    return [Parcel(*row) for row in await connection.execute(query)]


async def parcels_by_number(connection: AsyncConnection, number: str, limit: int) -> list[Parcel]:
    query = _PARCEL.where(parcels.c.number == number).limit(limit)
    return [Parcel(*row) for row in await connection.execute(query)]
