"""What clerks do: hand orders out by their codes, also those that a phone checked without network.

Each try is counted in SQL before the code is looked at, and forgotten after a right one.
"""

import asyncio
import hashlib
from enum import StrEnum

from msgspec import Struct
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.operators.store import count_try, forget_tries
from livesale.ledger.refunds import is_all_back
from livesale.orders.events import Locked, add_event, lock_order
from livesale.orders.pickups import PickupState
from livesale.orders.shipments.service import Shipments
from livesale.orders.stages import Stage
from livesale.pickup import store
from livesale.pickup.codes import hash_of, read_code
from livesale.pickup.store import OpenPickup, PickupRow
from livesale.resources import Deployment
from stock.model import HoldState

MAX_TRIES = 10  # wrong codes of one clerk,
WINDOW_MS = 5 * 60_000  # in this time
_BUCKETS = 65_536  # beside those of passwords, in the same table


class Verdict(StrEnum):
    """`REPLAYED`: this very use counted before."""

    USED = "used"
    REPLAYED = "replayed"
    WRONG_CODE = "wrong_code"
    PICKUP_USED = "pickup_used"
    NOT_SOLD = "not_sold"
    ORDER_OVER = "order_over"
    SLOW_DOWN = "slow_down"


class Use(Struct, frozen=True):
    """A clerk's use of a code. `use_id` is the clerk's own: the same again is the same use."""

    use_id: str
    code: str
    at_ms: int


class Handed(Struct, frozen=True):
    verdict: Verdict
    order_id: str | None = None
    quantity: int = 0
    used_ms: int = 0
    used_by: str = ""
    wait_ms: int = 0


class Snapshot(Struct, frozen=True):
    """`version` changes with the list."""

    version: str
    taken_ms: int
    pickups: list[OpenPickup]


class Handing:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, shipments: Shipments) -> None:
        self._sql = deployment.sql
        self._shipments = shipments

    async def snapshot(self, store_id: str, after: str, limit: int) -> Snapshot:
        """The paid orders that wait in a store."""
        async with session(self._sql) as connection:
            found = await store.open_pickups(connection, store_id, after, limit)
        text = "\n".join(f"{row.order_id}|{row.quantity}|{row.code_hash}" for row in found)
        version = hashlib.blake2b(f"{store_id}\n{text}".encode(), digest_size=16).hexdigest()
        return Snapshot(version, now_ms(), found)

    async def use(self, store_id: str, use: Use, who: str) -> Handed:
        """Hand out the order with this code, once. A refusal is a verdict, too."""
        bucket = _bucket(store_id, who)
        wait_ms = await self._take_try(bucket)
        if wait_ms:
            return Handed(Verdict.SLOW_DOWN, wait_ms=wait_ms)
        code = read_code(use.code, store_id)
        if code is None:
            return Handed(Verdict.WRONG_CODE)
        code_hash = await asyncio.to_thread(hash_of, store_id, code)
        async with session(self._sql, write=True) as connection:
            found = await store.find_by_code(connection, store_id, code_hash)
            order = await lock_order(connection, found.order_id) if found else None
            # Again: it may have changed before the order was locked.
            found = await store.find_by_code(connection, store_id, code_hash) if order else None
            if found is None or order is None or found.state == PickupState.CANCELLED:
                return Handed(Verdict.WRONG_CODE)
            await forget_tries(connection, bucket)
            if found.state == PickupState.USED:
                same = found.use_id == use.use_id and found.used_by == who
                verdict = Verdict.REPLAYED if same else Verdict.PICKUP_USED
                return _handed(verdict, order, found.used_ms, found.used_by)
            if order.state != HoldState.SOLD:
                return _handed(Verdict.NOT_SOLD, order)
            if order.stage != Stage.WAITING or await is_all_back(connection, order.order_id):
                return _handed(Verdict.ORDER_OVER, order)
            used_ms = max(found.created_ms, min(use.at_ms, now_ms()))
            await self._hand_out(connection, order, found, use.use_id, who, used_ms)
        return _handed(Verdict.USED, order, used_ms, who)

    async def _hand_out(
        self,
        connection: AsyncConnection,
        order: Locked,
        found: PickupRow,
        use_id: str,
        who: str,
        at_ms: int,
    ) -> None:
        """All that follows from a use, in its transaction. The order is locked."""
        used = {"use_id": use_id, "used_by": who, "used_ms": at_ms, "updated_ms": now_ms()}
        if not await store.use_pickup(connection, order.order_id, **used):
            raise AssertionError("a pickup changed under the lock of its order")
        await add_event(
            connection,
            order.order_id,
            "pickup.used",
            at_ms=at_ms,
            who=who,
            about=found.store_id,
            before=PickupState.WAITING,
            after=PickupState.USED,
        )
        await self._shipments.hand_over(connection, order, f"store {found.store_id}", who, at_ms)

    async def _take_try(self, bucket: int) -> int:
        try:
            return await self._count(bucket)
        except IntegrityError:  # the first two at once
            return await self._count(bucket)

    async def _count(self, bucket: int) -> int:
        async with session(self._sql, write=True) as connection:
            return await count_try(
                connection, bucket, now_ms(), most=MAX_TRIES, window_ms=WINDOW_MS
            )


def _handed(verdict: Verdict, order: Locked, used_ms: int = 0, used_by: str = "") -> Handed:
    return Handed(verdict, order.order_id, order.quantity, used_ms, used_by)


def _bucket(store_id: str, who: str) -> int:
    digest = hashlib.blake2b(f"{store_id}|{who}".encode(), digest_size=4).digest()
    return _BUCKETS + int.from_bytes(digest, "big") % _BUCKETS
