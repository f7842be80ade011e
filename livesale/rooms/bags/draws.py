"""Opens and draws a lucky bag on time, and gives its prizes.

Any number of keepers may run; each step may be repeated, or interrupted anywhere. One script closes
the list in Redis, and it never changes after that. The record of the draw is one transaction; only
the first one counts. Each prize is granted under an id derived from bag and winner, so a repeat has
no effect. Then the room gets the result, once.
"""

import structlog
from msgspec import structs

from livesale.catalogue import store as catalogue
from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.ledger.orders import find_any_order
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags.events import BagDrawn, BagVoid
from livesale.rooms.bags.lists import BagLists
from livesale.rooms.bags.scripts import BagGateway, CloseBagCode, OpenBagCode, TellBagCode
from livesale.rooms.bags.store import Bag, BagState, Prize, PrizeState, Settled
from livesale.rooms.copy import RoomCopy
from livesale.rooms.views import view_of_bag
from livesale.sales.drops import Drops
from livesale.sales.reservations import as_reservation
from livesale.validation.blocked_words import fold
from livesale.validation.refusals import DropRefused, Unknown
from stock.errors import Unreachable
from stock.ids import Origin, origin_id
from stock.model import DropState, Grant, GrantCode, GrantOutcome

KEEP_MS = 24 * 3_600_000  # Redis keeps a bag for so long after its draw

# Temporary refusals: we try again.
_FOR_NOW = (
    GrantCode.PAUSED,
    GrantCode.NOT_OPEN,
    GrantCode.FENCED,
    GrantCode.UNKNOWN_DROP,
    GrantCode.UNREADABLE,
)

log = structlog.get_logger(__name__)


class Draws:
    """One per process. All raise StoreUnavailable and the faults of stock.errors."""

    def __init__(self, deployment: Deployment, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._copy = copy
        self._drops = Drops(deployment)
        self.gateway = BagGateway(deployment.engine, history=deployment.settings.live.history)
        self.lists = BagLists(deployment.sql, self.gateway)

    async def advance(self, bag: Bag) -> None:
        """Do every step of a bag that is due."""
        if bag.state == BagState.PREPARING:
            bag = await self.open(bag)
        if bag.state == BagState.OPEN:
            bag = await self._draw(bag)
        if bag.state == BagState.DRAWN:
            await self._settle(bag)

    async def open(self, bag: Bag) -> Bag:
        """Open the drop of the prizes, then accept entries."""
        if bag.drop_id is not None:
            try:
                await self._drops.open(bag.drop_id)
            except DropRefused as why:  # the drop has been closed meanwhile
                return await self._void(bag, why.code)
        view, phrase = view_of_bag(bag), fold(bag.phrase or "")[0]
        code = await self._copy.with_room(
            bag.room_id,
            lambda: self.gateway.open_bag(
                bag.room_id, view, stay_ms=bag.stay_ms, phrase=phrase, keep_ms=KEEP_MS
            ),
            lambda code: code is OpenBagCode.UNKNOWN_ROOM,
        )
        if code is OpenBagCode.UNKNOWN_ROOM:
            raise Unreachable("the room is not in Redis yet")
        if code is OpenBagCode.LATE:
            return await self._void(bag, "late")
        return await self._move(bag, BagState.OPEN)

    async def _draw(self, bag: Bag) -> Bag:
        """If it is time, close the list and save the winners."""
        code = await self._copy.with_room(
            bag.room_id,
            lambda: self.gateway.close_bag(bag.room_id, bag.bag_id),
            lambda code: code is CloseBagCode.UNKNOWN_ROOM,
        )
        if code is CloseBagCode.EARLY:
            return bag
        if code is not CloseBagCode.CLOSED:
            return await self._void(bag, "list_lost")
        buyers = [name async for name in self.gateway.entrants(bag.room_id, bag.bag_id)]
        ids = self.lists.identify(bag, buyers)
        entries = dict(zip(ids, buyers, strict=True))
        list_hash = draw.list_hash_of(ids)
        winners = draw.winners_of(bag.seed, ids, bag.places)
        drawn_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            is_first = await store.move_bag(
                connection,
                bag.bag_id,
                BagState.OPEN,
                BagState.DRAWN,
                list_hash=list_hash,
                entries=len(ids),
                drawn_ms=drawn_ms,
            )
            if is_first:
                await self.lists.complete(connection, bag.bag_id, ids, buyers)
                await store.add_prizes(
                    connection,
                    [
                        Prize(bag.bag_id, place, entry, entries[entry], PrizeState.PENDING)
                        for place, entry in enumerate(winners, 1)
                    ],
                )
        if is_first:
            log.info("a lucky bag was drawn", bag_id=bag.bag_id, entries=len(ids))
        return await self._find(bag.bag_id)

    async def _settle(self, bag: Bag) -> None:
        """Give the prizes, then send the room the winners."""
        async with session(self._sql) as connection:
            prizes = await store.prizes_of(connection, bag.bag_id)
        pending = [prize for prize in prizes if prize.state == PrizeState.PENDING]
        if bag.drop_id is None:
            await self._give_coupons(bag, pending)
        elif pending:
            await self._grant(bag, bag.drop_id, pending)
        await self._tell(bag, prizes)
        async with session(self._sql, write=True) as connection:
            if not await store.prizes_of(connection, bag.bag_id, [PrizeState.PENDING]):
                await store.move_bag(connection, bag.bag_id, BagState.DRAWN, BagState.SETTLED)

    async def _give_coupons(self, bag: Bag, prizes: list[Prize]) -> None:
        claim_by_ms = (bag.drawn_ms or 0) + bag.claim_ms
        given = [
            Settled(
                prize.place, PrizeState.GIVEN, code=draw.new_seed()[:20], claim_by_ms=claim_by_ms
            )
            for prize in prizes
        ]
        async with session(self._sql, write=True) as connection:
            await store.settle_prizes(connection, bag.bag_id, given)

    async def _grant(self, bag: Bag, drop_id: str, prizes: list[Prize]) -> None:
        grants = [
            Grant(prize_rid(drop_id, bag.bag_id, prize.buyer_id), prize.buyer_id)
            for prize in prizes
        ]
        outcomes = await self._engine.grant(drop_id, source_of(bag), grants)
        settled: list[Settled] = []
        for prize, grant, outcome in zip(prizes, grants, outcomes, strict=True):
            if outcome.code is GrantCode.UNKNOWN_DROP:
                outcome = await self._ask_sql(drop_id, grant.rid)
            if outcome.reservation is not None:
                settled.append(Settled(prize.place, PrizeState.GIVEN, rid=grant.rid))
            elif outcome.code not in _FOR_NOW:
                reason = outcome.code.value.lower()
                settled.append(Settled(prize.place, PrizeState.LOST, reason=reason))
        async with session(self._sql, write=True) as connection:
            await store.settle_prizes(connection, bag.bag_id, settled)

    async def _ask_sql(self, drop_id: str, rid: str) -> GrantOutcome:
        """The outcome of a grant, from SQL, in a drop that Redis does not have."""
        async with session(self._sql) as connection:
            drop = await catalogue.find_drop(connection, drop_id)
            order = await find_any_order(connection, rid)
        if order is not None:
            return GrantOutcome(GrantCode.REPLAYED, as_reservation(order))
        closed = drop is not None and drop.state == DropState.CLOSED
        return GrantOutcome(GrantCode.CLOSED if closed else GrantCode.UNKNOWN_DROP)

    async def _tell(self, bag: Bag, prizes: list[Prize]) -> None:
        view = view_of_bag(bag, [prize.entry_id for prize in prizes])
        event = BagVoid(bag=view) if bag.state == BagState.VOID else BagDrawn(bag=view)
        await self._copy.with_room(
            bag.room_id,
            lambda: self.gateway.tell_bag(bag.room_id, view, event, keep_ms=KEEP_MS),
            lambda code: code is TellBagCode.UNKNOWN_ROOM,
        )

    async def _void(self, bag: Bag, reason: str) -> Bag:
        log.warning("a lucky bag is void", bag_id=bag.bag_id, reason=reason)
        # Tell the room first: a void bag is never looked at again.
        await self._tell(structs.replace(bag, state=BagState.VOID, reason=reason), [])
        return await self._move(bag, BagState.VOID, reason=reason)

    async def _move(self, bag: Bag, after: BagState, **values: str) -> Bag:
        """Change the state if it is unchanged since we read it; returns the present bag."""
        async with session(self._sql, write=True) as connection:
            before = BagState(bag.state)
            moved = await store.move_bag(connection, bag.bag_id, before, after, **values)
            if moved and after is BagState.VOID:  # its list is not needed
                await store.forget_entries(connection, bag.bag_id)
        return await self._find(bag.bag_id)

    async def _find(self, bag_id: str) -> Bag:
        async with session(self._sql) as connection:
            bag = await store.find_bag(connection, bag_id)
        if bag is None:
            raise Unknown("unknown_bag")
        return bag


def prize_rid(drop_id: str, bag_id: str, buyer_id: str) -> str:
    """The order id of a prize: no key of a buyer can produce it."""
    return origin_id(drop_id, Origin.PRIZE, bag_id, buyer_id)


def source_of(bag: Bag) -> str:
    """The source of its grants in the ledger."""
    return f"bag {bag.bag_id}"
