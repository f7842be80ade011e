"""Stores near a buyer, and orders that are collected there."""

import asyncio

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger.orders import Order, find_order
from livesale.orders.events import Locked, add_event, lock_order
from livesale.orders.pickups import PickupState, cancel_pickup, drop_address
from livesale.orders.stages import Stage
from livesale.pickup import store
from livesale.pickup.codes import PickupCodes, hash_of
from livesale.pickup.places import Opening, metres_of, point_of, wrong_hours
from livesale.pickup.store import PickupRow, StoreRow
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField, OrderRefused, Unknown
from stock.model import HoldState


class NewStore(Struct, frozen=True):
    title: str
    address: str
    phone: str
    state: str
    lat: float
    lng: float
    utc_offset_min: int
    hours: list[Opening]


class Near(Struct, frozen=True):
    store: StoreRow
    distance_m: int


class Chosen(Struct, frozen=True):
    """A pickup; the code only while the order is paid and waits."""

    pickup: PickupRow
    store: StoreRow
    code: str | None


class PickupStores:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def near(
        self, lat: float, lng: float, metres: int, limit: int, words: str = ""
    ) -> list[Near]:
        """Open stores, the nearest first."""
        async with session(self._sql) as connection:
            found = await store.nearest_stores(connection, lat, lng, metres, limit, words)
        return [Near(row, metres_of(chord)) for row, chord in found]

    async def list(
        self, after: str, limit: int, state: str = "", words: str = ""
    ) -> list[StoreRow]:
        """By id; the words are in the name or the address."""
        async with session(self._sql) as connection:
            return await store.list_stores(connection, after, limit, state, words)

    async def put(self, store_id: str, new: NewStore) -> tuple[StoreRow, bool]:
        """Create or replace a store; True if it is new. Raises InvalidField."""
        if why := wrong_hours(new.hours):
            raise InvalidField("hours", why)
        x, y, z = point_of(new.lat, new.lng)
        at_ms = now_ms()
        row = StoreRow(
            store_id=store_id,
            title=new.title,
            address=new.address,
            phone=new.phone,
            state=new.state,
            lat=new.lat,
            lng=new.lng,
            x=x,
            y=y,
            z=z,
            utc_offset_min=new.utc_offset_min,
            hours=msgspec.json.encode(new.hours).decode(),
            created_ms=at_ms,
            updated_ms=at_ms,
        )
        async with session(self._sql, write=True) as connection:
            known = await store.find_store(connection, store_id, lock=True)
            if known is not None:
                row = replace(row, created_ms=known.created_ms)
            await store.put_store(connection, row)
            note_change(known, row)
        return row, known is None


class Pickups:
    """A buyer's side. All raise StoreUnavailable and Unknown("unknown_order")."""

    def __init__(self, deployment: Deployment, codes: PickupCodes) -> None:
        self._sql = deployment.sql
        self._codes = codes

    async def find(self, order_id: str, buyer_id: str) -> Chosen:
        """Raises Unknown("unknown_pickup")."""
        async with session(self._sql) as connection:
            order = await find_order(connection, order_id, buyer_id)
            if order is None:
                raise Unknown("unknown_order")
            found = await store.find_pickup(connection, order_id)
            if found is None or found.state == PickupState.CANCELLED:
                raise Unknown("unknown_pickup")
            return await self._chosen(connection, order, found)

    async def choose(
        self, order_id: str, buyer_id: str, store_id: str, *, new_code: bool = False
    ) -> Chosen:
        """Collect the order there; its address is forgotten. The same store again keeps the code,
        unless a `new_code` is asked for.

        Raises Unknown("unknown_store"), OrderRefused (order_over, already_packed, store_closed).
        """
        at_ms = now_ms()
        code = self._codes.new()
        code_hash = await asyncio.to_thread(hash_of, store_id, code)
        async with session(self._sql, write=True) as connection:
            order = await lock_order(connection, order_id, buyer_id)
            if order is None:
                raise Unknown("unknown_order")
            _check_open(order)
            place = await store.find_store(connection, store_id)
            if place is None:
                raise Unknown("unknown_store")
            known = await store.find_pickup(connection, order_id)
            waits = known is not None and known.state == PickupState.WAITING
            same = known if known and waits and known.store_id == store_id else None
            if same is not None and not new_code:
                return await self._chosen(connection, order, same)
            if same is None and place.state != "open":
                raise OrderRefused("store_closed", "It takes no more orders.")
            row = PickupRow(
                order_id=order_id,
                buyer_id=buyer_id,
                store_id=store_id,
                state=PickupState.WAITING.value,
                sealed=self._codes.seal(code, order_id, store_id),
                code_hash=code_hash,
                use_id="",
                used_by="",
                used_ms=0,
                created_ms=known.created_ms if known else at_ms,
                updated_ms=at_ms,
            )
            await store.put_pickup(connection, row, known)
            await drop_address(connection, order_id)
            await add_event(
                connection,
                order_id,
                "pickup.code" if same else "pickup.chosen",
                at_ms=at_ms,
                who=f"buyer|{buyer_id}",
                about=store_id,
                before=known.state if known else "",
                after=PickupState.WAITING.value,
            )
            return await self._chosen(connection, order, row)

    async def renew(self, order_id: str, buyer_id: str) -> Chosen:
        """Another code for the same store; the old one is void. Raises like `choose`."""
        found = await self.find(order_id, buyer_id)
        return await self.choose(order_id, buyer_id, found.store.store_id, new_code=True)

    async def cancel(self, order_id: str, buyer_id: str) -> None:
        """No store any more. Idempotent. Raises OrderRefused like `choose`."""
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            order = await lock_order(connection, order_id, buyer_id)
            if order is None:
                raise Unknown("unknown_order")
            _check_open(order)
            if await cancel_pickup(connection, order_id, at_ms):
                await add_event(
                    connection,
                    order_id,
                    "pickup.cancelled",
                    at_ms=at_ms,
                    who=f"buyer|{buyer_id}",
                    before=PickupState.WAITING.value,
                    after=PickupState.CANCELLED.value,
                )

    async def _chosen(
        self, connection: AsyncConnection, order: Locked | Order, found: PickupRow
    ) -> Chosen:
        place = await store.find_store(connection, found.store_id)
        if place is None:
            raise Unknown("unknown_store")
        is_due = found.state == PickupState.WAITING and order.stage == Stage.WAITING
        code = None
        if is_due and order.state == HoldState.SOLD:
            code = self._codes.open(found.sealed, order.order_id, found.store_id)
        return Chosen(found, place, code)


def _check_open(order: Locked) -> None:
    if order.state not in (HoldState.HELD, HoldState.SOLD) or order.stage == Stage.CANCELLED:
        raise OrderRefused("order_over", f"The order is {order.stage or order.state}.")
    if order.stage != Stage.WAITING:
        raise OrderRefused("already_packed", "It is packed, on its way, or handed out.")
