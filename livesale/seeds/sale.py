"""The campaign, and its drops in each state. Each step may be repeated."""

from contextlib import suppress

from msgspec import Struct

from livesale.catalogue.service import NewCampaign
from livesale.catalogue.store import Campaign, Drop, DropFilter
from livesale.line.drafts import NewLine
from livesale.payments.gateway import Payment
from livesale.sales.drops import NewDrop
from livesale.seeds.people import PEOPLE
from livesale.seeds.shop import Shop
from livesale.seeds.tools import Tools
from livesale.validation.refusals import SalesFault
from stock.ids import keyed_rid
from stock.line.model import LineMode
from stock.model import Attempt, DropState, HoldState, Reservation

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
TITLE = "初冬好物节 Early winter fair"
LASTS_MS = 90 * DAY_MS
TURN_MS = 5 * MINUTE_MS  # also to pay what a draw holds


class Lot(Struct, frozen=True):
    """A drop of the campaign. `ends` is what becomes of it; `at_ms` counts from the beginning.
    `waiting` people stand in its line, if it has one."""

    code: str
    price_fen: int
    allotted: int
    at_ms: int = 0
    buyer_limit: int = 2
    hold_ms: int = 15 * MINUTE_MS
    ends: str = "open"  # open, sold_out, closed, paused or draft
    line: LineMode | None = None
    waiting: int = 0


LOTS = (
    Lot("LS-TOTE", 4_900, 500, buyer_limit=20),
    Lot("LS-UMBRELLA", 9_900, 120, buyer_limit=20),
    Lot("LS-KEYBOARD", 29_900, 60, at_ms=20 * MINUTE_MS),
    Lot("LS-SPEAKER", 23_900, 20, at_ms=26 * HOUR_MS, line=LineMode.DRAW, waiting=63),
    Lot("LS-TEAPOT", 22_800, 24, at_ms=2 * HOUR_MS, line=LineMode.TURNS, waiting=186),
    Lot("LS-CANDLE", 6_600, 8, ends="sold_out"),
    Lot("LS-BOTTLE", 7_900, 40, ends="closed"),
    Lot("LS-HONEY", 4_500, 200, ends="paused"),
    Lot("LS-MUG-BLUE", 5_500, 90, at_ms=7 * DAY_MS, ends="draft"),
)


class Sale:
    """The campaign and its buyers. `begun_ms` is when the seeding began."""

    def __init__(self, tools: Tools, shop: Shop, begun_ms: int) -> None:
        self._tools = tools
        self._shop = shop
        self._begun_ms = begun_ms

    async def campaign(self, title: str = TITLE, lasts_ms: int = LASTS_MS) -> Campaign:
        """The campaign of this title, made if it is not there."""
        found = await self._tools.campaigns.list(times=(), words=title, before="", limit=1)
        if found:
            return found[0]
        opens_ms = self._begun_ms - HOUR_MS
        return await self._tools.campaigns.create(
            NewCampaign(title, opens_ms, self._begun_ms + lasts_ms)
        )

    async def drop(self, code: str) -> Drop:
        """The campaign's drop of this SKU. Raises LookupError."""
        wanted = DropFilter(
            campaign_id=(await self.campaign()).campaign_id,
            sku_id=(await self._shop.sku(code)).sku_id,
        )
        found = await self._tools.drops.list(limit=1, wanted=wanted)
        if not found:
            raise LookupError(f"there is no drop of {code}")
        return found[0]

    async def add_lot(self, lot: Lot) -> None:
        """Make the drop, put it on sale, and bring it to its end."""
        campaign = await self.campaign()
        try:
            drop = await self.drop(lot.code)
        except LookupError:
            drop = await self._tools.drops.create(
                NewDrop(
                    campaign_id=campaign.campaign_id,
                    sku_id=(await self._shop.sku(lot.code)).sku_id,
                    price_fen=lot.price_fen,
                    allotted=lot.allotted,
                    buyer_limit=lot.buyer_limit,
                    hold_ms=lot.hold_ms,
                    opens_ms=self._begun_ms + lot.at_ms,
                    closes_ms=campaign.closes_ms,
                    expired_limit=0,
                    ticket_required=lot.line is not None,
                )
            )
        if lot.ends == "draft":
            return
        if drop.state != DropState.CLOSED:
            await self._put_line(drop.drop_id, lot)
            drop = await self._tools.drops.open(drop.drop_id)
        if drop.state == DropState.CLOSED:
            return
        await self._fill_line(drop.drop_id, lot)
        if lot.ends in ("sold_out", "closed"):
            units = lot.allotted if lot.ends == "sold_out" else lot.allotted // 4
            for number in range(units):
                buyer_id = (
                    f"dev-guest-{number}" if number >= len(PEOPLE) else PEOPLE[number].buyer_id
                )
                await self.buy(drop.drop_id, buyer_id, f"seed {number}")
        if lot.ends == "closed":
            await self._tools.drops.close(drop.drop_id)
        elif lot.ends == "paused":
            await self._tools.drops.pause(drop.drop_id)

    async def _put_line(self, drop_id: str, lot: Lot) -> None:
        if lot.line is not None:
            with suppress(SalesFault):  # it has opened by now
                await self._tools.lines.put(drop_id, NewLine(lot.line, TURN_MS))

    async def _fill_line(self, drop_id: str, lot: Lot) -> None:
        if not lot.waiting:
            return
        await self._put_line(drop_id, lot)  # of an open drop: people can join at once
        await self._tools.engine.line.join(
            drop_id, [f"dev-guest-{number}" for number in range(lot.waiting)]
        )

    async def add_lots(self) -> None:
        for lot in LOTS:
            await self.add_lot(lot)

    async def reserve(
        self, drop_id: str, buyer_id: str, key: str, quantity: int = 1
    ) -> Reservation | None:
        """The buyer's claim of this key: the same one at every retry. None where it is refused."""
        attempt = Attempt(keyed_rid(drop_id, buyer_id, key), buyer_id, quantity)
        batch = await self._tools.engine.reserve(drop_id, [attempt])
        return batch.outcomes[0].reservation

    async def pay(self, reservation: Reservation, payment_id: str = "") -> None:
        """Pay at the simulated bank; once."""
        await self._tools.intake.take(
            Payment(
                reservation.rid,
                payment_id or f"simulated-{reservation.rid}",
                reservation.amount_fen,
            )
        )

    async def buy(self, drop_id: str, buyer_id: str, key: str) -> None:
        """Reserve a unit and pay it, without a line in the log: a room that plays for hours would
        fill the terminal."""
        found = await self.reserve(drop_id, buyer_id, key)
        if found is not None and found.state is HoldState.HELD:
            payment_id = f"simulated-{found.rid}"
            await self._tools.engine.confirm(found.rid, payment_id, found.amount_fen)
