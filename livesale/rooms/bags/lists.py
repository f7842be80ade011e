"""Copies the lists of open lucky bags to SQL while people enter.

Entrants are numbered, and the list only grows: keepers copy it as it grows, so at the draw only the
rest is left to write. Only the closed list in Redis counts. A copy that differs from it, for
example after a failover that lost entries, is written again.
"""

from collections.abc import Sequence

from msgspec import Struct, field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.rooms.bags import store
from livesale.rooms.bags.scripts import BagGateway
from livesale.rooms.bags.store import Bag

PAGE = 5_000  # entries in one transaction, before the draw


class Copied(Struct):
    """The entries of a list that SQL has, as far as we know: buyers and entry ids, in order."""

    buyers: list[str] = field(default_factory=list)
    entry_ids: list[str] = field(default_factory=list)


class BagLists:
    """One per process. All raise StoreUnavailable and the faults of stock.errors."""

    def __init__(self, sql: AsyncEngine, gateway: BagGateway) -> None:
        self._sql = sql
        self._gateway = gateway
        self._copied: dict[str, Copied] = {}

    async def follow(self, bag: Bag) -> int:
        """Copy up to PAGE new entries; returns how many."""
        known = self._copied.setdefault(bag.bag_id, Copied())
        buyers = await self._gateway.some_entrants(bag.room_id, bag.bag_id, len(known.buyers), PAGE)
        if not buyers:
            return 0
        entry_ids = [draw.entry_id_of(bag.salt, buyer_id) for buyer_id in buyers]
        async with session(self._sql, write=True) as connection:
            if not await store.lock_open_bag(connection, bag.bag_id):
                return 0
            written = await store.count_entries(connection, bag.bag_id)
            if written == len(known.buyers):
                await _write(connection, bag.bag_id, written, entry_ids, buyers)
        if written == len(known.buyers):
            known.buyers += buyers
            known.entry_ids += entry_ids
        else:  # another keeper wrote them, or this one before a restart
            await self._learn(bag.bag_id)
        return len(buyers)

    def identify(self, bag: Bag, buyers: Sequence[str]) -> list[str]:
        """The entry ids of a list, in order."""
        known = self._copied.get(bag.bag_id, Copied())
        count = len(known.buyers) if self._is_prefix(known, buyers) else 0
        rest = [draw.entry_id_of(bag.salt, buyer_id) for buyer_id in buyers[count:]]
        return known.entry_ids[:count] + rest

    async def complete(
        self,
        connection: AsyncConnection,
        bag_id: str,
        entry_ids: Sequence[str],
        buyers: Sequence[str],
    ) -> None:
        """Write the missing part of a closed list. The bag is locked."""
        known = self._copied.get(bag_id, Copied())
        written = await store.count_entries(connection, bag_id)
        if written != len(known.buyers) or not self._is_prefix(known, buyers):
            await store.forget_entries(connection, bag_id)
            written = 0
        await _write(connection, bag_id, written, entry_ids[written:], buyers[written:])

    def keep_only(self, bag_ids: Sequence[str]) -> None:
        """Forget the lists of all other bags."""
        self._copied = {
            bag_id: self._copied[bag_id] for bag_id in bag_ids if bag_id in self._copied
        }

    async def _learn(self, bag_id: str) -> None:
        async with session(self._sql) as connection:
            rows = await store.entries_of(connection, bag_id)
        self._copied[bag_id] = Copied([buyer for _, buyer in rows], [entry for entry, _ in rows])

    def _is_prefix(self, known: Copied, buyers: Sequence[str]) -> bool:
        return known.buyers == list(buyers[: len(known.buyers)])


async def _write(
    connection: AsyncConnection,
    bag_id: str,
    before: int,
    entry_ids: Sequence[str],
    buyers: Sequence[str],
) -> None:
    entries = list(zip(entry_ids, buyers, strict=True))
    await store.add_entries(connection, bag_id, before, entries)
