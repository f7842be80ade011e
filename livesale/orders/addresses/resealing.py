"""Seals addresses anew after a change of the key, a page at a time: part of the keeper."""

import structlog
from msgspec import Struct
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.session import session
from livesale.orders.addresses import store
from livesale.orders.addresses.sealing import CannotOpen, Sealer
from livesale.orders.addresses.tables import addresses, order_addresses
from livesale.tasks import note_fault

PAGE = 200

log = structlog.get_logger(__name__)


class SealedTable(Struct, frozen=True):
    """A table with a sealed address: its key; the word and columns that the texts are bound to."""

    table: Table
    key: str
    word: str
    bound: tuple[str, ...]
    has_hash: bool = False


SEALED = [
    SealedTable(addresses, "address_id", "book", ("address_id", "buyer_id")),
    SealedTable(order_addresses, "order_id", "order", ("order_id",), has_hash=True),
]


async def reseal_page(sql: AsyncEngine, sealer: Sealer, sealed: SealedTable) -> int:
    """Seal up to a page of rows by the present key; how many. Raises StoreUnavailable.

    A row that no key opens stays as it is, and is named.
    """
    async with session(sql) as connection:
        rows = await store.sealed_by_others(
            connection, sealed.table, sealed.bound, sealer.key_id, PAGE
        )
    done = 0
    for old, *bound in rows:
        owner = (sealed.word, *bound)
        try:
            address = sealer.open(old, *owner)
        except CannotOpen as fault:
            note_fault("address", fault, about=bound[0])
            continue
        new = {"sealed": sealer.seal(address, *owner), "key_id": sealer.key_id}
        if sealed.has_hash:
            new["phone_hash"] = sealer.phone_hash(address.last_four)
        async with session(sql, write=True) as connection:
            done += await store.reseal(connection, sealed.table, old, (sealed.key, bound[0]), new)
    return done
