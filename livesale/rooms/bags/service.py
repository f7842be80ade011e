"""Lucky bags: hosts open them, everybody may read and check them.

A prize is a coupon, or a unit of a drop at price 0 that the stock engine grants to the winner at
the draw. Buyers cannot reserve from a drop at price 0.
"""

import asyncio
import gzip
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.ledger.states import DRAFT
from livesale.once.creations import Once, claim, recall
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags.draws import Draws
from livesale.rooms.bags.events import BagView
from livesale.rooms.bags.store import Bag, BagState, Prize, PrizeState
from livesale.rooms.on_air import OnAir
from livesale.rooms.people.comments import Comments
from livesale.rooms.states import ON_AIR
from livesale.rooms.store import Room, lock_room
from livesale.rooms.views import view_of_bag
from livesale.sales.drops import Drops, Id
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import InvalidField, RoomRefused, Unknown
from livesale.validation.texts import prose
from stock.ids import new_id
from stock.model import DropState, HoldState

MAX_PLACES = 200  # all fit into one batch of the stock engine
MAX_COUNTDOWN_S = 3_600
RECORD_S = 1.0  # cache time of records
LIST_KEPT_S = 600.0  # cache time of lists after the draw, which never change
MAX_PACKED = 20
PACKED_FROM = 4_096  # compress records from this number of bytes
LIST_S = 0.2  # cache time of the list of bags


class ShownPrize(StrEnum):
    """The state of a prize."""

    PENDING = "pending"
    HELD = "held"  # a coupon that its winner may claim
    CLAIMED = "claimed"  # the winner has it; a unit from the draw on
    RETURNED = "returned"  # a coupon that was not claimed in time
    LOST = "lost"  # it could not be given: `reason`


_OF_UNITS = {
    HoldState.HELD: ShownPrize.HELD,
    HoldState.SOLD: ShownPrize.CLAIMED,
    HoldState.EXPIRED: ShownPrize.RETURNED,
    HoldState.RELEASED: ShownPrize.RETURNED,
}


class NewBag(Struct, frozen=True, forbid_unknown_fields=True):
    """The prize is either `drop_id` or `coupon`."""

    title: Annotated[str, prose(examples=["A tea set for five of you"])]
    places: Annotated[int, Meta(ge=1, le=MAX_PLACES, description="number of winners", examples=[5])]
    countdown_s: Annotated[
        float, Meta(ge=1, le=MAX_COUNTDOWN_S, description="seconds until the draw", examples=[60])
    ]
    drop_id: Id | None = None
    coupon: Annotated[str, prose(examples=["¥20 off any tea"])] | None = None
    stay_s: Annotated[
        float,
        Meta(
            ge=0,
            le=MAX_COUNTDOWN_S,
            description="seconds for which a viewer must repeat the call to enter",
        ),
    ] = 0
    phrase: (
        Annotated[
            str, prose(examples=["我要福袋"], description="viewers must post it in a comment first")
        ]
        | None
    ) = None
    claim_s: Annotated[
        int, Meta(ge=10, le=30 * 86_400, description="seconds in which a coupon can be claimed")
    ] = 600


class WonPrize(Struct, frozen=True):
    """`reason` says why it is lost."""

    place: int
    entry_id: str
    state: ShownPrize
    reason: str | None = None


class BagRecord(Struct, frozen=True):
    """Everything needed to check a draw: `entry_ids` is the list in order."""

    room_id: str
    bag: BagView
    entry_ids: list[str] | None
    prizes: list[WonPrize] | None


class Published(Struct, frozen=True):
    """A BagRecord as JSON, also as gzip if it is large."""

    raw: bytes
    packed: bytes | None


class BagPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    bags: list[BagView]
    next: str | None


class Bags:
    """One per process. All raise StoreUnavailable and the faults of stock.errors."""

    def __init__(
        self,
        deployment: Deployment,
        on_air: OnAir,
        drops: Drops,
        draws: Draws,
        comments: Comments,
    ) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._on_air = on_air
        self._drops = drops
        self._draws = draws
        self._comments = comments
        self._records: TtlCache[Published] = TtlCache(
            self._load_record, ttl_s=RECORD_S, max_found=20
        )
        self._entry_lists: TtlCache[msgspec.Raw] = TtlCache(
            self._load_entries, ttl_s=LIST_KEPT_S, max_found=20
        )
        self._packed: dict[
            str, Published
        ] = {}  # the last result, so that nothing is compressed twice
        self._lists: TtlCache[bytes] = TtlCache(
            self._load_list, ttl_s=LIST_S, max_found=100, stale_on=(StoreUnavailable,)
        )

    async def create(self, room: Room, new: NewBag, once: Once | None = None) -> BagView:
        """Open a bag, with the drop of its prizes. Raises Made, KeyConflict.

        Raises RoomRefused (room_state, bag_running), InvalidField, Unknown, DropRefused
        (drop_closed, terms_conflict) or PartitionClosed: then nothing has changed. After a fault of
        the stores the bag may exist: then the keeper opens it.
        """
        if (new.drop_id is None) == (new.coupon is None):
            raise InvalidField("drop_id", "Give either a drop or a coupon.")
        if new.stay_s >= new.countdown_s:
            raise InvalidField("stay_s", "It is longer than the countdown: nobody could enter.")
        if once is not None:
            async with session(self._sql) as connection:
                await recall(connection, once)  # its drop is open now, so the checks would fail
        phrase = self._comments.phrase(new.phrase) if new.phrase is not None else None
        at_ms = await self._engine.now_ms()
        draws_ms = at_ms + round(new.countdown_s * 1000)
        if new.drop_id is not None:
            await self._check_drop(room, new.drop_id, new.places, draws_ms)
        seed = draw.new_seed()
        bag = Bag(
            bag_id=new_id(),
            room_id=room.room_id,
            title=new.title,
            state=BagState.PREPARING,
            drop_id=new.drop_id,
            coupon=new.coupon,
            places=new.places,
            stay_ms=round(new.stay_s * 1000),
            phrase=phrase,
            claim_ms=new.claim_s * 1000,
            draws_ms=draws_ms,
            seed=seed,
            salt=draw.new_seed(),
            commitment=draw.commitment_of(seed),
            created_ms=now_ms(),
        )
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, bag.bag_id)
            locked = await lock_room(connection, room.room_id)
            if locked is None or locked.state not in ON_AIR:
                raise RoomRefused("room_state", f"The room is {(locked or room).state}.")
            if await store.running_bag(connection, room.room_id) is not None:
                raise RoomRefused(
                    "bag_running", "The room already has a lucky bag: wait for its draw."
                )
            if new.drop_id is not None:  # an operator may have taken it back since
                drop = await catalogue.find_drop(connection, new.drop_id)
                if drop is None or drop.room_id != room.room_id:
                    raise Unknown("unknown_drop")
            # All checks are done. We open the drop in SQL here; `Draws.open` does it in Redis.
            if new.drop_id is not None:
                await catalogue.schedule_drop(connection, new.drop_id, at_ms)
            await store.add_bag(connection, bag)
            note_change(None, {"bag_id": bag.bag_id, "commitment": bag.commitment})
        return view_of_bag(await self._draws.open(bag))

    async def _check_drop(self, room: Room, drop_id: str, places: int, draws_ms: int) -> None:
        drop = await self._on_air.find(room, drop_id)
        if drop.price_fen:
            raise InvalidField("drop_id", "The price of a prize must be 0.")
        if drop.closes_ms <= draws_ms:
            raise InvalidField("countdown_s", "The drop closes before the draw.")
        if drop.state != DRAFT and drop.opens_ms > draws_ms:
            raise InvalidField("countdown_s", "The drop opens after the draw.")
        drop, snapshot = await self._drops.check_opening(drop_id)
        if snapshot is not None and snapshot.state is not DropState.OPEN:
            raise InvalidField("drop_id", "The drop is not open.")
        available = snapshot.available if snapshot is not None else drop.allotted
        if available < places:
            raise InvalidField("places", f"The drop has only {available} units left.")

    async def find(self, room_id: str, bag_id: str) -> Bag:
        """Raises Unknown("unknown_bag")."""
        async with session(self._sql) as connection:
            bag = await store.find_bag(connection, bag_id)
        if bag is None or bag.room_id != room_id:
            raise Unknown("unknown_bag")
        return bag

    async def view(self, room_id: str, bag_id: str) -> BagView:
        """Raises Unknown("unknown_bag")."""
        bag = await self.find(room_id, bag_id)
        async with session(self._sql) as connection:
            winners = await store.winners_of(connection, [bag_id])
        return view_of_bag(bag, winners.get(bag_id, []))

    async def find_all(
        self, *, room_id: str, states: Collection[str], words: str, before: str, limit: int
    ) -> Sequence[tuple[Bag, BagView]]:
        """Bags for operators, the newest first, those with a smaller id than `before`."""
        async with session(self._sql) as connection:
            found = await store.find_bags(
                connection, room_id=room_id, states=states, words=words, before=before, limit=limit
            )
            winners = await store.winners_of(connection, [bag.bag_id for bag in found])
        return [(bag, view_of_bag(bag, winners.get(bag.bag_id, []))) for bag in found]

    async def list(self, room_id: str, before: str, limit: int) -> bytes:
        """A BagPage of a room as JSON, the newest bag first; at most 200 ms old."""
        return await self._lists.get(f"{room_id}|{before}|{limit}") or b""

    async def _load_list(self, key: str) -> bytes:
        room_id, before, limit = key.split("|")
        async with session(self._sql) as connection:
            found = await store.list_bags(connection, room_id, before=before, limit=int(limit))
            winners = await store.winners_of(connection, [bag.bag_id for bag in found])
        after = found[-1].bag_id if len(found) == int(limit) else None
        views = [view_of_bag(bag, winners.get(bag.bag_id, [])) for bag in found]
        return msgspec.json.encode(BagPage(views, after))

    async def record(self, room_id: str, bag_id: str) -> Published:
        """A BagRecord, at most a second old. Raises Unknown("unknown_bag")."""
        record = await self._records.get(f"{room_id}|{bag_id}")
        if record is None:
            raise Unknown("unknown_bag")
        return record

    async def _load_record(self, key: str) -> Published | None:
        raw = await self._encode_record(*key.split("|"))
        if raw is None or len(raw) < PACKED_FROM:
            return Published(raw, None) if raw is not None else None
        before = self._packed.pop(key, None)
        if before is None or before.raw != raw:
            before = Published(raw, await asyncio.to_thread(gzip.compress, raw, 6))
        self._packed[key] = before
        if len(self._packed) > MAX_PACKED:
            del self._packed[next(iter(self._packed))]
        return before

    async def _load_entries(self, bag_id: str) -> msgspec.Raw:
        async with session(self._sql) as connection:
            return msgspec.Raw(msgspec.json.encode(await store.list_of(connection, bag_id)))

    async def _encode_record(self, room_id: str, bag_id: str) -> bytes | None:
        try:
            bag = await self.find(room_id, bag_id)
        except Unknown:
            return None
        if bag.state not in store.DRAWN:
            count = await self._draws.gateway.count_entrants(room_id, bag_id)
            return msgspec.json.encode(
                BagRecord(room_id, view_of_bag(bag, entries=count), None, None)
            )
        entry_ids = await self._entry_lists.get(bag_id)
        async with session(self._sql) as connection:
            prizes = await store.prizes_of(connection, bag_id)
            rids = [prize.rid for prize in prizes if prize.rid]
            orders = await store.states_of_orders(connection, rids)
        view = view_of_bag(bag, [prize.entry_id for prize in prizes])
        won = [
            WonPrize(
                prize.place,
                prize.entry_id,
                state_of(prize, orders.get(prize.rid or "")),
                prize.reason,
            )
            for prize in prizes
        ]
        members = {"room_id": room_id, "bag": view, "entry_ids": entry_ids, "prizes": won}
        return msgspec.json.encode(members)


def state_of(prize: Prize, order_state: str | None) -> ShownPrize:
    """The state of a prize; for a unit, from its order.

    The order may not be in SQL yet. A release without grants held units for a time.
    """
    if prize.state == PrizeState.PENDING:
        return ShownPrize.PENDING
    if prize.state == PrizeState.LOST:
        return ShownPrize.LOST
    if prize.rid is not None:
        first = HoldState.SOLD if prize.claim_by_ms is None else HoldState.HELD
        return _OF_UNITS[HoldState(order_state or first)]
    if prize.claimed_ms is not None:
        return ShownPrize.CLAIMED
    return ShownPrize.HELD if now_ms() < (prize.claim_by_ms or 0) else ShownPrize.RETURNED
