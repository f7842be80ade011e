"""The buyers' view: campaigns and drops, units left, and the state in a buyer's words.

A crowd reads the same few drops. So each process reads the catalogue from SQL at most once a
second, and the stock from Redis at most every 200 ms, for any number of readers.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Campaign, Drop
from livesale.database.errors import StoreUnavailable
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger.states import DRAFT, OPENING
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown
from stock.errors import BooksBroken, OutcomeUnknown, Unreachable
from stock.model import DropState, Snapshot

CATALOGUE_S = 1.0
TOGETHER_S = 0.1  # within which the same look at several drops is one
LIVE_S = 0.2
MAX_DROPS = 200  # drops shown for one campaign


class ShownState(StrEnum):
    SCHEDULED = "scheduled"
    OPEN = "open"
    SOLD_OUT = "sold_out"  # nothing left now; expired holds return
    PAUSED = "paused"
    CLOSED = "closed"


class ShownDrop(Struct, frozen=True):
    drop_id: str
    campaign_id: str
    sku_id: str
    title: str
    state: ShownState
    price_fen: int
    buyer_limit: int
    hold_ms: int
    opens_ms: int
    closes_ms: int
    allotted: int
    remaining: int
    ticket_required: bool
    server_ms: int


class ShownCampaign(Struct, frozen=True):
    campaign_id: str
    title: str
    opens_ms: int
    closes_ms: int


class CampaignPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    campaigns: list[ShownCampaign]
    next: str | None
    server_ms: int


class CampaignWithDrops(Struct, frozen=True):
    campaign_id: str
    title: str
    opens_ms: int
    closes_ms: int
    drops: list[ShownDrop]
    server_ms: int


class FoundDrop(Struct, frozen=True):
    """`drop` is null where `code` says why: `unknown_drop`, or `books_broken` until an operator has
    checked it."""

    drop_id: str
    drop: ShownDrop | None
    code: Literal["unknown_drop", "books_broken"] | None


class FoundDrops(Struct, frozen=True):
    """One entry for each id, in the order of the request."""

    drops: list[FoundDrop]
    server_ms: int


class CatalogueView:
    """One per process. All raise StoreUnavailable; drops also Unreachable.

    While SQL is unavailable, it shows the last known data.
    """

    def __init__(self, deployment: Deployment, now_ms: Callable[[], int]) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._now_ms = now_ms
        away = (StoreUnavailable,)
        self._drops = TtlCache(self._load_drop, ttl_s=CATALOGUE_S, stale_on=away)
        self._campaigns = TtlCache(self._load_campaign, ttl_s=CATALOGUE_S, stale_on=away)
        self._pages = TtlCache(self._load_page, ttl_s=CATALOGUE_S, max_found=100, stale_on=away)
        self._together = TtlCache(self._load_together, ttl_s=TOGETHER_S, max_found=200)
        self._live: TtlCache[Snapshot] = TtlCache(self._load_live, ttl_s=LIVE_S)

    async def terms(self, drop_id: str) -> Drop | None:
        """The drop from SQL, at most a second old; None if there is none."""
        return await self._drops.get(drop_id)

    async def known(self, drop_id: str) -> None:
        """Raises Unknown("unknown_drop")."""
        if await self._drops.get(drop_id) is None:
            raise Unknown("unknown_drop")

    async def drop(self, drop_id: str) -> ShownDrop:
        """Raises Unknown("unknown_drop")."""
        drop = await self._drops.get(drop_id)
        if drop is None:
            raise Unknown("unknown_drop")
        return await self._shown(drop)

    async def drops(self, drop_ids: Sequence[str]) -> FoundDrops:
        """Several drops, each once. What is not remembered is read with one query.

        A drop with broken books does not hide the others.
        """
        names = list(dict.fromkeys(drop_ids))
        strange = [name for name in names if not self._drops.is_fresh(name)]
        if strange:
            with suppress(StoreUnavailable):  # each has its last known terms, or raises it
                await self._together.get(",".join(strange))
        found = await asyncio.gather(*map(self._found, names))
        return FoundDrops(found, self._now_ms())

    async def _found(self, drop_id: str) -> FoundDrop:
        try:
            return FoundDrop(drop_id, await self.drop(drop_id), None)
        except Unknown:
            return FoundDrop(drop_id, None, "unknown_drop")
        except BooksBroken:
            return FoundDrop(drop_id, None, "books_broken")

    async def campaign(self, campaign_id: str) -> CampaignWithDrops:
        """Raises Unknown("unknown_campaign")."""
        found = await self._campaigns.get(campaign_id)
        if found is None:
            raise Unknown("unknown_campaign")
        campaign, drops = found
        shown = await asyncio.gather(*map(self._shown, drops))
        return CampaignWithDrops(
            campaign.campaign_id,
            campaign.title,
            campaign.opens_ms,
            campaign.closes_ms,
            shown,
            self._now_ms(),
        )

    async def campaigns(self, after: str, limit: int) -> CampaignPage:
        """Campaigns that are not over, by opening. `after` is a page's `next`, or empty."""
        page = await self._pages.get(f"{limit}:{after}") or []
        return CampaignPage(
            [ShownCampaign(c.campaign_id, c.title, c.opens_ms, c.closes_ms) for c in page],
            next_cursor(page, limit, lambda campaign: (campaign.opens_ms, campaign.campaign_id)),
            self._now_ms(),
        )

    async def _shown(self, drop: Drop) -> ShownDrop:
        snapshot = await self._live.get(drop.drop_id)
        now_ms = self._now_ms()
        remaining = drop.allotted if drop.state in (DRAFT, OPENING) else 0
        if snapshot is not None:
            remaining = snapshot.available
        return ShownDrop(
            drop_id=drop.drop_id,
            campaign_id=drop.campaign_id,
            sku_id=drop.sku_id,
            title=drop.title,
            state=_shown_state(drop, snapshot, now_ms),
            price_fen=drop.price_fen,
            buyer_limit=drop.buyer_limit,
            hold_ms=drop.hold_ms,
            opens_ms=drop.opens_ms,
            closes_ms=drop.closes_ms,
            allotted=snapshot.terms.allotted if snapshot else drop.allotted,
            remaining=remaining,
            ticket_required=drop.ticket_required,
            server_ms=now_ms,
        )

    async def _load_drop(self, drop_id: str) -> Drop | None:
        async with session(self._sql) as connection:
            return await catalogue.find_drop(connection, drop_id)

    async def _load_together(self, names: str) -> bool:
        """Remember the terms of these drops."""
        drop_ids = names.split(",")
        async with session(self._sql) as connection:
            found = {
                drop.drop_id: drop for drop in await catalogue.find_drops(connection, drop_ids)
            }
        for drop_id in drop_ids:
            self._drops.put(drop_id, found.get(drop_id))
        return True

    async def _load_campaign(self, campaign_id: str) -> tuple[Campaign, list[Drop]] | None:
        async with session(self._sql) as connection:
            campaign = await catalogue.find_campaign(connection, campaign_id)
            if campaign is None:
                return None
            return campaign, await catalogue.drops_of(connection, campaign_id, MAX_DROPS)

    async def _load_page(self, key: str) -> list[Campaign]:
        limit, _, after = key.partition(":")
        async with session(self._sql) as connection:
            return await catalogue.list_campaigns(
                connection,
                closing_after_ms=self._now_ms(),
                after=key_of(after) or (-1, ""),
                limit=int(limit),
            )

    async def _load_live(self, drop_id: str) -> Snapshot | None:
        try:
            return await self._engine.snapshot(drop_id)
        except OutcomeUnknown as fault:
            raise Unreachable(str(fault)) from fault  # a read changes nothing


def _shown_state(drop: Drop, snapshot: Snapshot | None, now_ms: int) -> ShownState:
    state = snapshot.state if snapshot else drop.state
    if state == DropState.CLOSED or now_ms >= drop.closes_ms:
        return ShownState.CLOSED
    if now_ms < drop.opens_ms or state in (DRAFT, OPENING):
        return ShownState.SCHEDULED
    if snapshot is None or state == DropState.PAUSED:
        return ShownState.PAUSED  # open by SQL, unknown to Redis: closed until it is recovered
    return ShownState.OPEN if snapshot.available else ShownState.SOLD_OUT
