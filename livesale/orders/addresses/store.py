"""Queries of addresses. Sealed texts go in and come out; nothing here opens them."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.orders.addresses.tables import addresses, order_addresses


class SealedAddress(Struct, frozen=True):
    address_id: str
    buyer_id: str
    sealed: str
    key_id: str
    is_default: bool
    created_ms: int
    updated_ms: int


class OrderAddress(Struct, frozen=True):
    order_id: str
    buyer_id: str
    sealed: str
    key_id: str
    phone_hash: str
    created_ms: int
    updated_ms: int


_ADDRESS = select(*[addresses.c[name] for name in SealedAddress.__struct_fields__])
_OF_ORDER = select(*[order_addresses.c[name] for name in OrderAddress.__struct_fields__])


async def list_addresses(connection: AsyncConnection, buyer_id: str) -> list[SealedAddress]:
    """A buyer's addresses, the default first, then the newest."""
    query = _ADDRESS.where(addresses.c.buyer_id == buyer_id).order_by(
        addresses.c.is_default.desc(), addresses.c.created_ms.desc(), addresses.c.address_id
    )
    return [SealedAddress(*row) for row in await connection.execute(query)]


async def find_address(
    connection: AsyncConnection, address_id: str, buyer_id: str
) -> SealedAddress | None:
    query = _ADDRESS.where(addresses.c.address_id == address_id, addresses.c.buyer_id == buyer_id)
    row = (await connection.execute(query)).first()
    return SealedAddress(*row) if row else None


async def add_address(connection: AsyncConnection, new: SealedAddress) -> bool:
    """Insert it; False if the id is taken. Uses its own savepoint."""
    row = {name: getattr(new, name) for name in SealedAddress.__struct_fields__}
    try:
        async with connection.begin_nested():
            await connection.execute(insert(addresses), row)
    except IntegrityError:
        return False
    return True


async def change_address(connection: AsyncConnection, new: SealedAddress) -> bool:
    """Replace its content; False if it is gone."""
    done = await connection.execute(
        update(addresses)
        .where(addresses.c.address_id == new.address_id, addresses.c.buyer_id == new.buyer_id)
        .values(sealed=new.sealed, key_id=new.key_id, updated_ms=new.updated_ms)
    )
    return done.rowcount == 1


async def delete_address(connection: AsyncConnection, address_id: str, buyer_id: str) -> bool:
    done = await connection.execute(
        delete(addresses).where(
            addresses.c.address_id == address_id, addresses.c.buyer_id == buyer_id
        )
    )
    return done.rowcount == 1


async def make_default(connection: AsyncConnection, address_id: str, buyer_id: str) -> None:
    """This one becomes the default, and no other is."""
    await connection.execute(
        update(addresses)
        .where(addresses.c.buyer_id == buyer_id)
        .values(is_default=addresses.c.address_id == address_id)
    )


async def address_of(connection: AsyncConnection, order_id: str) -> OrderAddress | None:
    row = (
        await connection.execute(_OF_ORDER.where(order_addresses.c.order_id == order_id))
    ).first()
    return OrderAddress(*row) if row else None


async def addresses_of(
    connection: AsyncConnection, order_ids: Sequence[str]
) -> dict[str, OrderAddress]:
    """The addresses of up to 500 orders."""
    rows = await connection.execute(_OF_ORDER.where(order_addresses.c.order_id.in_(order_ids)))
    return {row.order_id: OrderAddress(*row) for row in rows}


async def put_order_address(connection: AsyncConnection, new: OrderAddress) -> None:
    """Insert or replace it; `created_ms` stays that of the first one. In a writing transaction."""
    row = {name: getattr(new, name) for name in OrderAddress.__struct_fields__}
    try:
        async with connection.begin_nested():
            await connection.execute(insert(order_addresses), row)
    except IntegrityError:
        kept = {name: row[name] for name in ("sealed", "key_id", "phone_hash", "updated_ms")}
        await connection.execute(
            update(order_addresses).where(order_addresses.c.order_id == new.order_id).values(kept)
        )


async def sealed_by_others(
    connection: AsyncConnection, table: Table, names: Sequence[str], key_id: str, limit: int
) -> list[Any]:
    """(sealed, and the columns `names`) of rows that another key sealed."""
    columns = [table.c[name] for name in names]
    query = select(table.c.sealed, *columns).where(table.c.key_id.not_in((key_id, "")))
    return list(await connection.execute(query.limit(limit)))


async def reseal(
    connection: AsyncConnection,
    table: Table,
    old: str,
    row_id: tuple[str, str],
    new: dict[str, str],
) -> bool:
    """Replace a sealed text by compare-and-set; False if it has changed meanwhile."""
    name, value = row_id
    done = await connection.execute(
        update(table).where(table.c[name] == value, table.c.sealed == old).values(new)
    )
    return done.rowcount == 1
