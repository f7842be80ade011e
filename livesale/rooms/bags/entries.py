"""Lucky bags for viewers: enter, read the result, claim the prize.

A unit is the winner's order from the draw on: a claim changes nothing. A coupon shows its code if
it is claimed in time.
"""

from msgspec import Struct

from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags.draws import Draws, source_of
from livesale.rooms.bags.scripts import EnterCode, Entered
from livesale.rooms.bags.service import Bags, ShownPrize, state_of
from livesale.rooms.bags.store import Bag, BagState, Prize, PrizeState
from livesale.rooms.copy import RoomCopy
from livesale.rooms.members import RoomRole
from livesale.rooms.service import banned, room_over
from livesale.rooms.states import OVER, RoomState
from livesale.rooms.store import Room
from livesale.sales.reservations import Reservations
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import PartitionClosed, RoomRefused
from stock.errors import Unreachable
from stock.ids import drop_of
from stock.model import Grant, HoldState

MAX_ENTRIES = 50_000  # for one bag
GAP_MS = 15_000  # a waiting viewer must repeat the call within this time
TERMS_S = 10.0  # cache time of a bag's terms, which never change


class BagEntry(Struct, frozen=True):
    """`entry_id` is the viewer's id in the published list; `position` is its index there."""

    bag_id: str
    entry_id: str
    position: int
    draws_ms: int


class OwnPrize(Struct, frozen=True):
    """`state` as in the record. A unit has an `order_id` and needs no claim; a coupon has `code`
    and `claim_by_ms`."""

    place: int
    state: ShownPrize
    drop_id: str | None
    coupon: str | None
    order_id: str | None
    code: str | None
    claim_by_ms: int | None


class OwnEntry(Struct, frozen=True):
    """The result of a viewer's entry."""

    bag_id: str
    entry_id: str
    entered: bool
    prize: OwnPrize | None


class BagEntries:
    """One per process. All raise StoreUnavailable, the faults of stock.errors, Unknown."""

    def __init__(
        self,
        deployment: Deployment,
        bags: Bags,
        draws: Draws,
        copy: RoomCopy,
        reservations: Reservations,
    ) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._bags = bags
        self._gateway = draws.gateway
        self._copy = copy
        self._reservations = reservations
        self._terms: TtlCache[Bag] = TtlCache(self._load, ttl_s=TERMS_S)

    async def enter(
        self, room: Room, bag_id: str, buyer_id: str, role: RoomRole
    ) -> tuple[BagEntry, bool]:
        """The viewer's entry, and whether it is new.

        Raises RoomRefused: own_bag (for those who run the room), room_state, room_over, banned,
        bag_closed, bag_full, phrase_missing, stay_longer with `retry_after_s`.
        """
        if room.state in OVER:
            raise room_over()
        if room.state == RoomState.BANNED:
            raise RoomRefused("room_state", "The room is banned.")
        if role is not RoomRole.VIEWER:
            raise RoomRefused("own_bag", f"The {role} of the room cannot enter.")
        known = await self._terms.get(f"{room.room_id}|{bag_id}")
        bag = known or await self._bags.find(room.room_id, bag_id)  # maybe created a moment ago
        entered = await self._try(room.room_id, bag_id, buyer_id)
        match entered.code:
            case EnterCode.CLOSED | EnterCode.UNKNOWN_BAG:
                raise RoomRefused("bag_closed", "The countdown has ended.")
            case EnterCode.FULL:
                raise RoomRefused("bag_full", f"A lucky bag has at most {MAX_ENTRIES} entries.")
            case EnterCode.BANNED:
                raise banned(entered.number)
            case EnterCode.UNSAID:
                raise RoomRefused(
                    "phrase_missing", f"Post a comment with this phrase first: {bag.phrase}"
                )
            case EnterCode.WAIT:
                seconds = -(-entered.number // 1000)
                detail = f"Stay {entered.number} ms longer. Repeat this call every few seconds."
                raise RoomRefused("stay_longer", detail, retry_after_s=min(seconds, 5))
            case EnterCode.UNKNOWN_ROOM:
                raise Unreachable("the room is not in Redis yet")
        entry_id = draw.entry_id_of(bag.salt, buyer_id)
        entry = BagEntry(bag_id, entry_id, entered.number, bag.draws_ms)
        return entry, entered.code is EnterCode.ENTERED

    async def _try(self, room_id: str, bag_id: str, buyer_id: str) -> Entered:
        return await self._copy.with_room(
            room_id,
            lambda: self._gateway.enter_bag(
                room_id, bag_id, buyer_id, max_entries=MAX_ENTRIES, gap_ms=GAP_MS
            ),
            lambda entered: entered.code is EnterCode.UNKNOWN_ROOM,
        )

    async def own(self, room_id: str, bag_id: str, buyer_id: str) -> OwnEntry:
        """The result of the viewer's entry. Raises RoomRefused (not_drawn, bag_closed: void)."""
        bag = await self._drawn(room_id, bag_id)
        async with session(self._sql) as connection:
            entered = await store.has_entered(connection, bag_id, buyer_id)
            prize = await store.prize_of(connection, bag_id, buyer_id)
        entry_id = draw.entry_id_of(bag.salt, buyer_id)
        own = await self._show(bag, prize) if prize else None
        return OwnEntry(bag_id, entry_id, entered, own)

    async def claim(self, room_id: str, bag_id: str, buyer_id: str) -> OwnPrize:
        """Claim the prize; a repeat is a replay.

        Raises RoomRefused (not_drawn, bag_closed, no_prize, prize_gone) or PartitionClosed.
        """
        bag = await self._drawn(room_id, bag_id)
        async with session(self._sql) as connection:
            prize = await store.prize_of(connection, bag_id, buyer_id)
        if prize is None:
            raise RoomRefused("no_prize", "This entry did not win.")
        if prize.state == PrizeState.PENDING:
            raise RoomRefused("not_drawn", "You won; the prize is not ready yet.")
        if prize.state == PrizeState.LOST:
            raise RoomRefused("prize_gone", f"The prize could not be given: {prize.reason}.")
        if prize.rid is not None:
            await self._claim_unit(bag, prize.rid, buyer_id)
        else:
            prize = await self._claim_coupon(prize)
        return await self._show(bag, prize)

    async def _claim_unit(self, bag: Bag, rid: str, buyer_id: str) -> None:
        reservation = await self._reservations.find_any(rid)
        if reservation.state is HoldState.HELD:
            # A release without grants held a prize until its claim.
            grant = Grant(rid, buyer_id, reservation.quantity)
            [outcome] = await self._engine.grant(drop_of(rid), source_of(bag), [grant])
            if outcome.reservation is None:
                raise PartitionClosed  # SQL has a hold that Redis lost, or the partition is fenced
            reservation = outcome.reservation
        if reservation.state is not HoldState.SOLD:
            raise RoomRefused("prize_gone", "The prize was not claimed in time, or was returned.")

    async def _claim_coupon(self, prize: Prize) -> Prize:
        at_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            await store.claim_coupon(connection, prize, at_ms)
            after = await store.prize_of(connection, prize.bag_id, prize.buyer_id)
        if after is None or after.claimed_ms is None:
            raise RoomRefused("prize_gone", "The prize was not claimed in time.")
        return after

    async def _show(self, bag: Bag, prize: Prize) -> OwnPrize:
        order = await self._reservations.find_any(prize.rid) if prize.rid else None
        return OwnPrize(
            place=prize.place,
            state=state_of(prize, order.state if order else None),
            drop_id=bag.drop_id,
            coupon=bag.coupon,
            order_id=prize.rid,
            code=prize.code if prize.claimed_ms else None,
            claim_by_ms=prize.claim_by_ms,
        )

    async def _drawn(self, room_id: str, bag_id: str) -> Bag:
        bag = await self._bags.find(room_id, bag_id)
        if bag.state == BagState.VOID:
            raise RoomRefused("bag_closed", f"The bag could not be drawn: {bag.reason}.")
        if bag.state not in store.DRAWN:
            raise RoomRefused("not_drawn", "The bag is not drawn yet.")
        return bag

    async def _load(self, key: str) -> Bag | None:
        room_id, bag_id = key.split("|")
        async with session(self._sql) as connection:
            bag = await store.find_bag(connection, bag_id)
        return bag if bag is not None and bag.room_id == room_id else None
