"""Drafts of drops: changed and deleted as long as they were never opened.

A change locks the row of the draft, and an opening moves it from `draft` by compare-and-set: so a
drop opens either with the terms before a change, or with those after it.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.service import ClosesMs, OpensMs, check_window
from livesale.catalogue.skus.store import find_sku
from livesale.catalogue.store import Drop
from livesale.database.session import session
from livesale.ledger.states import DRAFT
from livesale.resources import Deployment
from livesale.sales.drops import (
    Allotted,
    BuyerLimit,
    ExpiredLimit,
    HoldMs,
    Id,
    KnownRooms,
    NoRooms,
    PriceFen,
    check_end,
    check_hold,
)
from livesale.validation.lists import Version
from livesale.validation.refusals import (
    DropRefused,
    InUse,
    InvalidField,
    Unknown,
    VersionConflict,
)
from livesale.validation.uses import Uses


class DropEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What is missing stays as it is. A room has its own calls."""

    version: Version
    campaign_id: Id | UnsetType = UNSET
    sku_id: Id | UnsetType = UNSET
    price_fen: PriceFen | UnsetType = UNSET
    allotted: Allotted | UnsetType = UNSET
    buyer_limit: BuyerLimit | UnsetType = UNSET
    hold_ms: HoldMs | UnsetType = UNSET
    opens_ms: OpensMs | UnsetType = UNSET
    closes_ms: ClosesMs | UnsetType = UNSET
    expired_limit: ExpiredLimit | UnsetType = UNSET
    ticket_required: (
        Annotated[bool, Meta(description="each reservation needs a purchase ticket")] | UnsetType
    ) = UNSET


class DropDrafts:
    """All raise StoreUnavailable, the faults of stock.errors, Unknown, VersionConflict, and
    DropRefused (drop_opened) for a drop that was opened."""

    def __init__(
        self, deployment: Deployment, rooms: KnownRooms | None = None, uses: Uses | None = None
    ) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._rooms = rooms or NoRooms()
        self._uses = uses or Uses()
        self._shortest_ms = deployment.settings.stock.min_hold_ms

    async def edit(self, drop_id: str, edit: DropEdit) -> Drop:
        """Change the terms. Items of the shelf that show the old price or title, and the room,
        follow. Raises InvalidField."""
        given = {
            name: value
            for name, value in structs.asdict(edit).items()
            if value is not UNSET and name != "version"
        }
        if "hold_ms" in given:
            check_hold(given["hold_ms"], self._shortest_ms)
        await self._check_redis(drop_id)
        async with session(self._sql, write=True) as connection:
            before = await self._lock(connection, drop_id, edit.version)
            drop = structs.replace(before, **given, version=before.version + 1)
            if not drop.price_fen:  # nobody can reserve at price 0: no ticket is given
                drop = structs.replace(drop, ticket_required=True)
            check_window(drop.opens_ms, drop.closes_ms)
            look = catalogue.lock_campaign if "campaign_id" in given else catalogue.find_campaign
            campaign = await look(connection, drop.campaign_id)
            if "campaign_id" in given:
                if campaign is None:
                    raise InvalidField("campaign_id", "There is no such campaign.")
                moves = campaign.campaign_id != before.campaign_id
                if moves and (campaign.buyer_limit or before.campaign_limit):
                    raise InvalidField("campaign_id", "A campaign with a limit keeps its drops.")
            if campaign is not None:
                check_end(drop.closes_ms, campaign)
            if "sku_id" in given:
                sku = await find_sku(connection, drop.sku_id)
                if sku is None:
                    raise InvalidField("sku_id", "There is no such SKU.")
                drop = structs.replace(drop, title=sku.title)
            await catalogue.change_draft(connection, drop)
            await self._rooms.follow(connection, before, drop)
            note_change(before, drop)
        await self._rooms.tell(drop)
        return drop

    async def remove(self, drop_id: str, version: int | None = None) -> None:
        """Delete a draft. Raises InUse while it belongs to a room, or something else uses it."""
        await self._check_redis(drop_id)
        async with session(self._sql, write=True) as connection:
            drop = await self._lock(connection, drop_id, version)
            if drop.room_id is not None:
                raise InUse("A room uses the drop: take it back first.")
            await self._uses.check(connection, "drop", drop_id)
            await catalogue.remove_draft(connection, drop_id)
            note_change(drop, None)

    async def _check_redis(self, drop_id: str) -> None:
        """Raises DropRefused (terms_conflict) for a draft that Redis has: it is of another SQL."""
        if await self._engine.snapshot(drop_id) is None:
            return
        async with session(self._sql) as connection:
            drop = await catalogue.find_drop(connection, drop_id)
        if drop is not None and drop.state == DRAFT:
            detail = "Redis already has this drop, but SQL has only a draft."
            raise DropRefused("terms_conflict", detail)

    async def _lock(self, connection: AsyncConnection, drop_id: str, version: int | None) -> Drop:
        """The draft, locked, and its room before it, as where a room takes a draft."""
        seen = await catalogue.find_drop(connection, drop_id)
        if seen is not None and seen.room_id is not None:
            await self._rooms.know(connection, seen.room_id)
        drop = await catalogue.lock_drop(connection, drop_id)
        if drop is None or seen is None:
            raise Unknown("unknown_drop")
        if drop.room_id != seen.room_id:  # a room took it, or gave it back, just now
            raise VersionConflict("drop", drop.version)
        if drop.state != DRAFT:
            raise DropRefused("drop_opened", f"The drop is {drop.state}.")
        if version is not None and version != drop.version:
            raise VersionConflict("drop", drop.version)
        return drop
