"""What operators do with a drop: create, open, pause, resume, close, adjust, read the books.

Every step may be repeated: opening or pausing a drop twice is a replay and no fault.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from msgspec import Meta, Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.service import (
    ClosesMs,
    NewCampaign,
    OpensMs,
    campaign_of,
    check_opens,
    check_window,
)
from livesale.catalogue.skus import service as skus
from livesale.catalogue.skus.service import NewSku, sku_of
from livesale.catalogue.skus.store import find_sku
from livesale.catalogue.stock_moves import drops as stock_of_drops
from livesale.catalogue.stock_moves.drops import Restock
from livesale.catalogue.stock_moves.store import find_drop_stock
from livesale.catalogue.store import ALL_DROPS, Campaign, Drop, DropFilter
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger.states import DRAFT, OPENING
from livesale.line.opening import check_gathering, open_line
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.sales.books import DropBooks, compare_books
from livesale.validation.refusals import (
    DropRefused,
    InvalidField,
    KeyConflict,
    PartitionClosed,
    Unknown,
)
from livesale.validation.texts import whole
from stock.ids import DROP_ID_PATTERN, ROOM_ID_PATTERN, new_id, random_rid
from stock.model import (
    MAX_HOLD_MS,
    MAX_PRICE_FEN,
    MAX_QUANTITY,
    MAX_UNITS,
    AdjustCode,
    DropState,
    OpenCode,
    Snapshot,
    StateCode,
)

_OPENED = {OpenCode.OPENED, OpenCode.REPLAYED}

Id = Annotated[str, whole(DROP_ID_PATTERN)]


PriceFen = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_PRICE_FEN,
        description="fen; 0 for prizes: units are granted, and nobody can buy one",
        examples=[9_900],
    ),
]
Allotted = Annotated[int, Meta(ge=1, le=MAX_UNITS, description="units", examples=[1_000])]
BuyerLimit = Annotated[
    int, Meta(ge=1, le=MAX_QUANTITY, description="units one buyer may have", examples=[2])
]
HoldMs = Annotated[
    int, Meta(ge=1, le=MAX_HOLD_MS, description="ms a buyer has to pay", examples=[900_000])
]
ExpiredLimit = Annotated[
    int, Meta(ge=0, le=1_000_000, description="expired holds that bar a buyer; 0 never bars")
]


class NewDrop(Struct, frozen=True, forbid_unknown_fields=True):
    """What to sell, and how. The campaign's times and the settings' `expired_limit` by default."""

    campaign_id: Id
    sku_id: Id
    price_fen: PriceFen
    allotted: Allotted
    buyer_limit: BuyerLimit
    hold_ms: HoldMs
    opens_ms: OpensMs | None = None
    closes_ms: ClosesMs | None = None
    expired_limit: ExpiredLimit | None = None
    ticket_required: Annotated[
        bool, Meta(description="each reservation needs a purchase ticket: fixed at the opening")
    ] = False
    room_id: (
        Annotated[str, whole(ROOM_ID_PATTERN, description="the live room it is sold in")] | None
    ) = None


class Adjustment(Struct, frozen=True):
    """A restock or a scrapping, and what is available after it."""

    drop_id: str
    delta: int
    available: int
    replayed: bool


class KnownRooms(Protocol):
    """Whether a drop may belong to a room, and what of the room follows a draft."""

    async def know(self, connection: AsyncConnection, room_id: str) -> bool:
        """Whether there is such a room, which stays until the end of the transaction."""
        ...

    async def follow(self, connection: AsyncConnection, before: Drop, after: Drop) -> None:
        """Change what shows a draft, in the transaction that changes it."""
        ...

    async def tell(self, drop: Drop) -> None:
        """Send the room of a draft, if it has one, what has changed."""
        ...


class NoRooms:
    """Where drops are made without rooms."""

    async def know(self, connection: AsyncConnection, room_id: str) -> bool:
        return False

    async def follow(self, connection: AsyncConnection, before: Drop, after: Drop) -> None:
        pass

    async def tell(self, drop: Drop) -> None:
        pass


class Drops:
    """Use cases of operators.

    All raise StoreUnavailable, the faults of stock.errors, Unknown and PartitionClosed.
    """

    def __init__(self, deployment: Deployment, rooms: KnownRooms | None = None) -> None:
        self._deployment = deployment
        self._rooms = rooms or NoRooms()
        self._engine = deployment.engine
        self._sql = deployment.sql

    async def create(
        self,
        new: NewDrop,
        *,
        new_sku: NewSku | None = None,
        new_campaign: NewCampaign | None = None,
        once: Once | None = None,
    ) -> Drop:
        """A drop in the state draft: in SQL only. `new_sku` and `new_campaign` are made with it,
        and count in the place of those that `new` names: all of them, or nothing.

        Raises InvalidField when the campaign or the SKU does not exist, or the times contradict;
        Made, KeyConflict.
        """
        check_opens(new.opens_ms or 0)
        check_hold(new.hold_ms, self._deployment.settings.stock.min_hold_ms)
        sku = sku_of(new_sku) if new_sku else None
        campaign = campaign_of(new_campaign) if new_campaign else None
        async with session(self._sql) as connection:
            campaign = campaign or await catalogue.find_campaign(connection, new.campaign_id)
            sku = sku or await find_sku(connection, new.sku_id)
            room_is_known = not new.room_id or await self._rooms.know(connection, new.room_id)
        if campaign is None:
            raise InvalidField("campaign_id", "There is no such campaign.")
        if sku is None:
            raise InvalidField("sku_id", "There is no such SKU.")
        if not room_is_known:
            raise InvalidField("room_id", "There is no such room.")
        opens_ms = campaign.opens_ms if new.opens_ms is None else new.opens_ms
        closes_ms = campaign.closes_ms if new.closes_ms is None else new.closes_ms
        check_window(opens_ms, closes_ms)
        check_end(closes_ms, campaign)
        default_limit = self._deployment.settings.stock.expired_limit
        drop = Drop(
            drop_id=self._id_in(campaign),
            campaign_id=campaign.campaign_id,
            sku_id=sku.sku_id,
            title=sku.title,
            state=DRAFT,
            price_fen=new.price_fen,
            allotted=new.allotted,
            buyer_limit=new.buyer_limit,
            hold_ms=new.hold_ms,
            expired_limit=default_limit if new.expired_limit is None else new.expired_limit,
            opens_ms=opens_ms,
            closes_ms=closes_ms,
            created_ms=now_ms(),
            # At price 0 no ticket is given, so nobody can reserve.
            ticket_required=new.ticket_required or not new.price_fen,
            room_id=new.room_id,
            campaign_limit=campaign.buyer_limit,
        )
        partition = self._deployment.keyspace.partition_of(drop.drop_id)
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, drop.drop_id)
            if new_sku is not None:
                await skus.add(connection, sku)
            if new_campaign is not None:
                await catalogue.add_campaign(connection, campaign)
            elif await catalogue.lock_campaign(connection, campaign.campaign_id) is None:
                raise InvalidField("campaign_id", "There is no such campaign.")  # deleted just now
            if new.room_id and not await self._rooms.know(connection, new.room_id):
                raise InvalidField("room_id", "There is no such room.")
            await catalogue.add_drop(connection, drop, partition)
            note_change(None, drop)
        return drop

    def _id_in(self, campaign: Campaign) -> str:
        """The id of a new drop. The drops of a campaign with a limit are in its partition: one
        step can compare what a buyer has of all of them."""
        partition_of = self._deployment.keyspace.partition_of
        while True:
            drop_id = new_id()
            here = partition_of(drop_id) == partition_of(campaign.campaign_id)
            if here or not campaign.buyer_limit:
                return drop_id

    async def find(self, drop_id: str) -> Drop:
        async with session(self._sql) as connection:
            drop = await catalogue.find_drop(connection, drop_id)
        if drop is None:
            raise Unknown("unknown_drop")
        return drop

    async def list(
        self, before: str = "", limit: int = 50, wanted: DropFilter = ALL_DROPS
    ) -> list[Drop]:
        """Drops with a smaller id than `before`, the newest first."""
        async with session(self._sql) as connection:
            return await catalogue.list_drops(connection, before=before, limit=limit, wanted=wanted)

    async def open(self, drop_id: str, *, opens_ms: int | None = None) -> Drop:
        """Put a drop on sale from its opens_ms on; `opens_ms` is another one, for a draft.

        SQL says `opening` before Redis is asked, so a crash in between is healed by asking again.
        The same transaction gives the drop its units, if its SKU keeps stock.
        The line in front of it opens with it.
        Raises DropRefused (drop_closed, terms_conflict: Redis has it with other terms, or
        line_needs_time), or StockRefused (too_little_stock).
        """
        before, _ = await self.check_opening(drop_id)
        if before.state == DRAFT:
            wanted_ms = before.opens_ms if opens_ms is None else opens_ms
            await check_gathering(self._deployment, drop_id, wanted_ms)
        async with session(self._sql, write=True) as connection:
            if opens_ms is None:
                opening = await catalogue.move_drop(connection, drop_id, DRAFT, OPENING)
            else:
                opening = await catalogue.schedule_drop(connection, drop_id, opens_ms)
            if opening:
                await stock_of_drops.allot(connection, drop_id, now_ms())
        drop, _ = await self.check_opening(drop_id)
        if drop.state != OPENING:
            return drop
        code = await self._engine.open_drop(drop_id, drop.terms)
        if code is OpenCode.FENCED:
            raise PartitionClosed
        if code not in _OPENED:
            raise DropRefused("terms_conflict", "The drop is already open with other terms.")
        await open_line(self._deployment, drop_id)
        after = structs.replace(drop, state=DropState.OPEN)
        note_change(before, after)
        return after

    async def check_opening(self, drop_id: str) -> tuple[Drop, Snapshot | None]:
        """A drop that may be opened, or is open already; and what Redis has of it.

        Raises DropRefused (drop_closed, terms_conflict).
        """
        # Redis first: SQL says `opening` before Redis has a drop, so a draft in SQL that Redis had
        # before is none of this database.
        snapshot = await self._engine.snapshot(drop_id)
        drop = await self.find(drop_id)
        if drop.state == DropState.CLOSED:
            raise _closed()
        if drop.state == DRAFT and snapshot is not None:
            raise DropRefused(
                "terms_conflict", "Redis already has this drop, but SQL has only a draft."
            )
        # The writer has seen it open. To open it in Redis once more could only do harm: a Redis
        # that does not know it is one that has lost it, and would sell it all again.
        is_lost = drop.state not in (DRAFT, OPENING) and snapshot is None
        if is_lost or not self._engine.epochs.get(self._engine.keyspace.partition_of(drop_id)):
            raise PartitionClosed
        return drop, snapshot

    async def pause(self, drop_id: str) -> Drop:
        """Refuse new reservations. Raises DropRefused (not_opened, drop_closed)."""
        return await self._change(drop_id, self._engine.pause_drop, DropState.PAUSED)

    async def resume(self, drop_id: str) -> Drop:
        """Sell again. Raises DropRefused (not_opened, drop_closed)."""
        return await self._change(drop_id, self._engine.resume_drop, DropState.OPEN)

    async def close(self, drop_id: str) -> Drop:
        """End the sale; holds may still be paid. Raises DropRefused (not_opened)."""
        return await self._change(drop_id, self._engine.close_drop, DropState.CLOSED)

    async def adjust(
        self, drop_id: str, delta: int, reason: str, adjust_id: str | None = None
    ) -> Adjustment:
        """Restock (delta > 0) or scrap available units (delta < 0), once per `adjust_id`.

        `adjust_id` has the form of a rid: `stock.ids.origin_id` makes one.
        Raises DropRefused (not_opened, drop_closed, too_few, too_many), StockRefused
        (too_little_stock), KeyConflict, or InvalidField for a delta of 0.
        """
        if delta == 0:
            raise InvalidField("delta", "It must not be 0.")
        adjust_id = adjust_id or random_rid(drop_id)
        restock = await self._claim(drop_id, adjust_id, delta, reason) if delta > 0 else None
        code, available = await self._engine.adjust_drop(drop_id, adjust_id, delta, reason)
        if restock is not None and code is not AdjustCode.FENCED:
            done = code in (AdjustCode.ADJUSTED, AdjustCode.REPLAYED)
            async with session(self._sql, write=True) as connection:
                await stock_of_drops.settle_restock(connection, restock, done=done, at_ms=now_ms())
        match code:
            case AdjustCode.ADJUSTED | AdjustCode.REPLAYED:
                if code is AdjustCode.ADJUSTED:
                    note_change({"available": available - delta}, {"available": available})
                return Adjustment(drop_id, delta, available, code is AdjustCode.REPLAYED)
            case AdjustCode.CONFLICT:
                raise KeyConflict("This key was used for another delta.")
            case AdjustCode.TOO_FEW:
                detail = f"Only {available} units can be scrapped."
                raise DropRefused("too_few", detail, available=available)
            case AdjustCode.TOO_MANY:
                raise DropRefused("too_many", f"A drop has at most {MAX_UNITS} units.")
            case AdjustCode.CLOSED:
                raise _closed()
            case AdjustCode.FENCED:
                raise PartitionClosed
            case AdjustCode.UNKNOWN_DROP:
                raise await self._why_unknown(drop_id)

    async def set_challenge(self, drop_id: str, difficulty: int) -> Drop:
        """Ask for a proof of work before a ticket of this drop, or (0) no longer.

        Every worker knows within a second. Raises DropRefused (no_tickets).
        """
        drop = await self.find(drop_id)
        if not drop.ticket_required:
            raise DropRefused(
                "no_tickets", "The drop sells without tickets, so it cannot have a challenge."
            )
        async with session(self._sql, write=True) as connection:
            await catalogue.set_challenge(connection, drop_id, difficulty)
            after = structs.replace(drop, challenge=difficulty)
            note_change(drop, after)
        return after

    async def books(self, drop_id: str) -> DropBooks:
        """Both sides of the books, and whether SQL and the rest of the log give what Redis has."""
        return await compare_books(self._deployment, await self.find(drop_id))

    async def _claim(self, drop_id: str, adjust_id: str, delta: int, reason: str) -> Restock | None:
        """The units of a restock, if the drop's SKU keeps stock. Raises StockRefused."""
        async with session(self._sql) as connection:
            if await find_drop_stock(connection, drop_id) is None:
                return None
        async with session(self._sql, write=True) as connection:
            return await stock_of_drops.claim_restock(
                connection, drop_id, adjust_id, delta, reason, now_ms()
            )

    async def _change(
        self, drop_id: str, change: Callable[[str], Awaitable[StateCode]], state: DropState
    ) -> Drop:
        before = await self._engine.snapshot(drop_id)
        code = await change(drop_id)
        if code is StateCode.CHANGED and before is not None:
            note_change({"state": before.state}, {"state": state})
        if code is StateCode.UNKNOWN_DROP:
            raise await self._why_unknown(drop_id)
        if code is StateCode.CLOSED:
            raise _closed()
        if code is StateCode.FENCED:
            raise PartitionClosed
        return structs.replace(await self.find(drop_id), state=state)

    async def _why_unknown(self, drop_id: str) -> Exception:
        """What it means that Redis does not know a drop."""
        drop = await self.find(drop_id)
        if drop.state in (DRAFT, OPENING):
            return DropRefused("not_opened", "The drop was never opened.")
        if drop.state == DropState.CLOSED:
            return _closed()
        # SQL may have learned only after Redis was asked that somebody else opened it.
        if await self._engine.snapshot(drop_id) is not None:
            return DropRefused(
                "not_opened", "The drop was not open yet; now it is. Repeat the call."
            )
        return PartitionClosed()


def check_end(closes_ms: int, campaign: Campaign) -> None:
    """Raises InvalidField for a drop that would outlast what is counted for its campaign."""
    if campaign.buyer_limit and closes_ms > campaign.closes_ms:
        raise InvalidField("closes_ms", "Its campaign has a limit: the drop ends with it.")


def check_hold(hold_ms: int, shortest_ms: int) -> None:
    """Raises InvalidField for a time that was probably meant in seconds."""
    if hold_ms < shortest_ms:
        raise InvalidField("hold_ms", f"Give milliseconds, at least {shortest_ms}.")


def _closed() -> DropRefused:
    return DropRefused("drop_closed", "The drop is closed.")
