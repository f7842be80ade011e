"""Finds products by words, in the memory of each worker. SQL is asked for what has changed."""

import asyncio

import structlog

from livesale.catalogue.products import store
from livesale.catalogue.products.search_index import Hit, SearchIndex
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache

FRESH_S = 1.0  # how old what is found may be
PAGE = 200
KEPT = 200  # searches whose hits are kept until the next look at SQL
# A change is committed after its time was taken, and clocks differ: so far back it is read again.
OVERLAP_MS = 15_000

log = structlog.get_logger(__name__)


class ProductSearch:
    """One per process. The first search reads all titles; later ones read what has changed.

    While SQL is away, it finds what it knows.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._index = SearchIndex()
        self._known: dict[tuple[str, str, str], list[Hit]] = {}  # since the index was read
        self._seen_ms = -1  # the latest change that was read
        self._fresh = TtlCache(self._follow, ttl_s=FRESH_S, stale_on=(StoreUnavailable,))

    async def find(
        self, words: str, *, after: str, limit: int, category: str = "", status: str = ""
    ) -> tuple[list[str], str | None]:
        """The ids of a page, the best first; and the `after` of the next one.

        Raises StoreUnavailable if SQL was away since this process began.
        """
        await self._fresh.get("")
        hits = self._hits(words, category, status)
        rank, dot, product_id = after.partition(".")
        if after and not dot:  # of a list without words: nothing is behind it here
            return [], None
        if after:
            # Within one rank the newest, which have the greatest ids, come first.
            key = int(rank)
            hits = [
                hit
                for hit in hits
                if hit.rank > key or (hit.rank == key and hit.product_id < product_id)
            ]
        page = hits[:limit]
        more = len(hits) > limit
        return [hit.product_id for hit in page], _cursor(page[-1]) if more else None

    def _hits(self, words: str, category: str, status: str) -> list[Hit]:
        """What the index finds: a crowd that searches for the same costs one look."""
        key = words, category, status
        hits = self._known.get(key)
        if hits is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            hits = self._known[key] = self._index.find(words, category=category, status=status)
        return hits

    async def _follow(self, _key: str) -> SearchIndex:
        key = max(-1, self._seen_ms - OVERLAP_MS), ""
        left_out = self._index.left_out
        while True:
            async with session(self._sql) as connection:
                page = await store.entries_after(connection, key, PAGE)
            for updated_ms, entry in page:
                self._index.put(entry)
                key = updated_ms, entry.product_id
            self._known.clear()
            self._seen_ms = max(self._seen_ms, key[0])
            if len(page) < PAGE:
                break
            await asyncio.sleep(0)  # others first
        if self._index.left_out > left_out:
            log.warning("more products than the search can hold", left_out=self._index.left_out)
        return self._index


def _cursor(hit: Hit) -> str:
    return f"{hit.rank}.{hit.product_id}"
