"""A buyer's claims: reserve, look, give back."""

import asyncio
from typing import Protocol

from msgspec import UNSET, UnsetType

from livesale.catalogue.store import find_drop
from livesale.catalogue.view import CatalogueView
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.ledger.orders import Order, find_any_order
from livesale.ledger.states import DRAFT, OPENING
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import AlreadySold, PartitionClosed, Unknown
from stock.batcher import Caller
from stock.errors import OutcomeUnknown, Unreachable
from stock.ids import keyed_rid, random_rid
from stock.model import (
    Attempt,
    DropState,
    HoldState,
    Outcome,
    ReleaseCode,
    Reservation,
    ReserveCode,
    Ticket,
)

MAX_ROOMS = 10_000  # drops whose room is remembered
ROOM_S = 1.0  # within which one look at SQL does for all
ROOM_WAIT_S = 1.0
HELD_WAIT_S = 0.25  # that a buyer waits for it, who holds a unit already
AGAIN_S = 5.0  # how long it is not asked for after SQL did not answer

RoomId = str | UnsetType | None  # None: the drop has no room. UNSET: that is not known here

UNSETTLED = frozenset({ReserveCode.UNKNOWN_DROP, ReserveCode.FENCED})


class AttemptQueue(Protocol):
    """Where attempts go: `stock.soldout.SoldOut` in front of a `stock.batcher.Batcher`."""

    def known(self, drop_id: str, buyer_id: str, *, keyed: bool) -> Outcome | None: ...

    def enter(self, drop_id: str, attempt: Attempt, caller: Caller, *, keyed: bool) -> None: ...


class Reservations:
    """One per process. All raise the faults of stock.errors.

    `rooms` has the live room of each drop that was sold here: for good, once it is sold at all.
    """

    def __init__(self, deployment: Deployment, queue: AttemptQueue, view: CatalogueView) -> None:
        self._engine = deployment.engine
        self._sql = deployment.sql
        self._queue = queue
        self._view = view
        self._loop = asyncio.get_running_loop()
        self.rooms: dict[str, str | None] = {}
        self._looks = TtlCache(self._look_up_room, ttl_s=ROOM_S)
        self._ask_again_s = 0.0  # loop time before which no buyer waits for a room

    def enter(
        self,
        drop_id: str,
        buyer_id: str,
        quantity: int,
        key: str | None,
        ticket: Ticket | None,
        caller: Caller,
    ) -> Attempt | None:
        """Try for `quantity` units; `key` makes a retry the same attempt. What is tried: None
        where the outcome is known without it.

        The caller gets the outcome, and asks `settle` if it `is_unsettled`.
        """
        known = self._queue.known(drop_id, buyer_id, keyed=key is not None)
        if known is not None:
            caller.set_result(known)
            return None
        rid = keyed_rid(drop_id, buyer_id, key) if key else random_rid(drop_id)
        attempt = Attempt(rid, buyer_id, quantity, ticket)
        self._queue.enter(drop_id, attempt, caller, keyed=key is not None)
        return attempt

    def is_unsettled(self, drop_id: str, outcome: Outcome) -> bool:
        """Whether SQL is asked before the buyer is answered."""
        if outcome.reservation is None:
            return outcome.code in UNSETTLED
        return drop_id not in self.rooms and self._loop.time() >= self._ask_again_s

    async def settle(self, drop_id: str, attempt: Attempt, outcome: Outcome) -> Outcome:
        """The outcome as the buyer is told it. The room of its drop is known then, if SQL answers.

        UNKNOWN_DROP only for a drop that nobody made: one that is not opened yet is NOT_OPEN.
        Raises PartitionClosed; and StoreUnavailable when Redis does not know the drop and SQL is
        away.
        """
        if outcome.code is ReserveCode.FENCED:
            raise PartitionClosed
        if outcome.code is ReserveCode.UNKNOWN_DROP:
            outcome = await self._what_sql_knows(drop_id, attempt)
        if outcome.reservation is not None:
            await self._learn_room(drop_id)
        return outcome

    async def find(self, rid: str, buyer_id: str) -> Reservation:
        """The buyer's reservation, from Redis as long as it has it. Raises Unknown."""
        found = await self.find_any(rid)
        if found.buyer_id != buyer_id:
            raise Unknown("unknown_reservation")
        return found

    async def find_any(self, rid: str) -> Reservation:
        """The reservation, whoever's it is. Raises Unknown."""
        try:
            found = await self._engine.reservation(rid)
        except OutcomeUnknown as fault:
            raise Unreachable(str(fault)) from fault  # a look changes nothing
        if found is not None:
            return found
        return as_reservation(await self._order(rid))

    async def room_of(self, drop_id: str) -> RoomId:
        """The live room of a drop, from SQL if need be. A look at a reservation does not wait long
        for it."""
        try:
            async with asyncio.timeout(ROOM_WAIT_S):
                await self._ask_for_room(drop_id)
        except (StoreUnavailable, TimeoutError):
            pass
        return self.rooms.get(drop_id, UNSET)

    async def release(self, rid: str, buyer_id: str) -> Reservation:
        """Give a hold back; one that has ended without a sale stays as it is.

        Raises Unknown, AlreadySold or PartitionClosed.
        """
        answer = await self._engine.release(rid, buyer_id)
        if answer.code is ReleaseCode.FENCED:
            raise PartitionClosed
        if answer.code is ReleaseCode.ALREADY_SOLD:
            raise AlreadySold
        if answer.reservation is not None:
            return answer.reservation
        found = await self.find(rid, buyer_id)
        if found.state is HoldState.SOLD:
            raise AlreadySold
        if found.state is HoldState.HELD:
            raise PartitionClosed  # SQL has a hold that Redis lost
        return found

    async def _learn_room(self, drop_id: str) -> None:
        """Once for each drop. While SQL is away, one buyer in AGAIN_S waits for it."""
        try:
            async with asyncio.timeout(HELD_WAIT_S):
                await self._ask_for_room(drop_id)
        except (StoreUnavailable, TimeoutError):
            self._ask_again_s = self._loop.time() + AGAIN_S

    async def _ask_for_room(self, drop_id: str) -> None:
        if drop_id not in self.rooms:
            await self._looks.get(drop_id)

    async def _look_up_room(self, drop_id: str) -> bool:
        async with session(self._sql) as connection:
            drop = await find_drop(connection, drop_id)
        self.rooms[drop_id] = drop.room_id if drop else None
        if len(self.rooms) > MAX_ROOMS:
            del self.rooms[next(iter(self.rooms))]
        return True

    async def _order(self, rid: str) -> Order:
        async with session(self._sql) as connection:
            order = await find_any_order(connection, rid)
        if order is None:
            raise Unknown("unknown_reservation")
        return order

    async def _what_sql_knows(self, drop_id: str, attempt: Attempt) -> Outcome:
        """The answer for a drop that Redis does not know."""
        drop = await self._view.terms(drop_id)
        if drop is None:
            return Outcome(ReserveCode.UNKNOWN_DROP)
        if drop.state in (DRAFT, OPENING):
            return Outcome(ReserveCode.NOT_OPEN, opens_ms=drop.opens_ms)
        if drop.state == DropState.CLOSED:
            return await self._archived(attempt)
        raise PartitionClosed

    async def _archived(self, attempt: Attempt) -> Outcome:
        """A retry gets its first answer, long after the drop has left Redis."""
        try:
            known = as_reservation(await self._order(attempt.rid))
        except Unknown:
            return Outcome(ReserveCode.CLOSED)
        if (known.buyer_id, known.quantity) != (attempt.buyer_id, attempt.quantity):
            return Outcome(ReserveCode.CONFLICT)
        return Outcome(ReserveCode.REPLAYED, 0, known)


def as_reservation(order: Order) -> Reservation:
    """What SQL knows of a reservation."""
    return Reservation(
        order.order_id,
        HoldState(order.state),
        order.buyer_id,
        order.quantity,
        order.price_fen,
        order.expires_ms,
    )
