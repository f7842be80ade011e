"""Use cases of parcels: pack, ship, correct, cancel, receive.

Each is one transaction that locks the order first. The stage of the order follows from its parcels.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.stock_moves.shipping import ship as leave_stock
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger.refunds import is_all_back
from livesale.orders.addresses.form import Address
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.service import open_order_address
from livesale.orders.addresses.store import address_of
from livesale.orders.events import Locked, add_event, lock_order, move_stage
from livesale.orders.shipments import store
from livesale.orders.shipments.carriers import Method, carrier_of, number_of
from livesale.orders.shipments.store import Parcel, ParcelState
from livesale.orders.stages import Stage
from livesale.orders.wechat import outbox
from livesale.orders.wechat.client import is_on
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField, OrderRefused, Unknown
from stock.ids import new_id
from stock.model import HoldState

MAX_PARCELS = 20


class NewParcel(Struct, frozen=True):
    """What an operator says about a parcel. Without a number, an express parcel is only packed."""

    method: Method = Method.EXPRESS
    carrier: str = ""
    number: str = ""
    note: str = ""
    is_last: bool = True


class Shipments:
    """One per process. All raise StoreUnavailable; `who` is a caller as `Call.name` gives it."""

    def __init__(self, deployment: Deployment, sealer: Sealer) -> None:
        self._sql = deployment.sql
        self._receipt_ms = deployment.settings.orders.receipt_s * 1000
        self._sealer = sealer
        self._tells_wechat = is_on(deployment.settings)

    async def add(self, order_id: str, new: NewParcel, who: str) -> tuple[Parcel, bool]:
        """Pack or ship a parcel; the second value is False if just this was shipped before.

        Raises Unknown, InvalidField, OrderRefused (not_sold, order_over, no_address,
        all_shipped, too_many_parcels).
        """
        carrier, number = check_tracking(new)
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            order = check_sold(await lock_order(connection, order_id))
            there = await store.parcels_of(connection, [order_id])
            known = next(
                (p for p in there if number and (p.carrier, p.number) == (carrier, number)), None
            )
            if known is not None and known.state != ParcelState.PACKING:
                return known, False
            check_stage(order, there)
            if await is_all_back(connection, order_id):
                raise OrderRefused("order_over", "All of its money goes back.")
            if len(there) >= MAX_PARCELS:
                detail = f"An order has at most {MAX_PARCELS} parcels."
                raise OrderRefused("too_many_parcels", detail)
            address = await self._address(connection, order_id, new.method)
            parcel_id = f"p{new_id()}"
            ships = bool(number) or new.method is not Method.EXPRESS
            parcel = Parcel(
                parcel_id=parcel_id,
                order_id=order_id,
                state=ParcelState.SHIPPED if ships else ParcelState.PACKING,
                method=new.method,
                carrier=carrier,
                number=number,
                note=new.note,
                is_last=new.is_last,
                sealed=self._sealer.seal(address, "parcel", parcel_id) if address else "",
                key_id=self._sealer.key_id if address else "",
                created_ms=at_ms,
                shipped_ms=at_ms if ships else 0,
                received_ms=0,
                due_ms=at_ms + self._receipt_ms if ships else 0,
                updated_ms=at_ms,
            )
            await store.add_parcel(connection, parcel)
            await self._note(connection, parcel, "", who, at_ms)
            await self._follow(connection, order, who, at_ms)
        return parcel, True

    async def ship(self, parcel_id: str, carrier: str, number: str, who: str) -> Parcel:
        """Give a packed parcel to its carrier, or correct the number of one on its way.

        Raises Unknown, InvalidField, OrderRefused (order_over, already_received).
        """
        carrier, number = check_tracking(NewParcel(carrier=carrier, number=number), needed=True)
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            parcel, order = await self._lock(connection, parcel_id)
            if (parcel.carrier, parcel.number) == (carrier, number):
                return parcel
            if parcel.method != Method.EXPRESS:
                raise OrderRefused("already_received", "Only parcels of carriers have a number.")
            if parcel.state not in (ParcelState.PACKING, ParcelState.SHIPPED):
                raise OrderRefused("already_received", f"The parcel is {parcel.state}.")
            values = {"carrier": carrier, "number": number, "updated_ms": at_ms}
            if parcel.state == ParcelState.PACKING:
                values |= {
                    "state": ParcelState.SHIPPED,
                    "shipped_ms": at_ms,
                    "due_ms": at_ms + self._receipt_ms,
                }
            await _change(connection, parcel, values)
            after = replace(parcel, **values)
            kind = "" if parcel.state == ParcelState.PACKING else "parcel.corrected"
            await self._note(connection, after, parcel.state, who, at_ms, kind)
            await self._follow(connection, order, who, at_ms)
        return after

    async def cancel(self, parcel_id: str, who: str, why: str) -> Parcel:
        """Unpack a parcel that nobody has shipped. Idempotent. Raises Unknown, OrderRefused."""
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            parcel, order = await self._lock(connection, parcel_id)
            if parcel.state == ParcelState.CANCELLED:
                return parcel
            if parcel.state != ParcelState.PACKING:
                raise OrderRefused("all_shipped", f"The parcel is {parcel.state}.")
            values = {"state": ParcelState.CANCELLED, "updated_ms": at_ms}
            await _change(connection, parcel, values)
            after = replace(parcel, **values)
            await self._note(connection, after, parcel.state, who, at_ms, why=why)
            await self._follow(connection, order, who, at_ms)
        return after

    async def receive(self, order_id: str, buyer_id: str) -> list[Parcel]:
        """The buyer has all that was shipped. Idempotent. Raises Unknown, OrderRefused."""
        at_ms, who = now_ms(), f"buyer|{buyer_id}"
        async with session(self._sql, write=True) as connection:
            order = check_sold(await lock_order(connection, order_id, buyer_id))
            there = await store.parcels_of(connection, [order_id])
            if not any(p.state in (ParcelState.SHIPPED, ParcelState.RECEIVED) for p in there):
                raise OrderRefused("not_shipped", "Nothing of it is on its way.")
            for parcel in there:
                if parcel.state == ParcelState.SHIPPED:
                    await self._receive(connection, parcel, who, at_ms)
            await self._follow(connection, order, who, at_ms)
            return await store.parcels_of(connection, [order_id])

    async def receive_due(self, found: Parcel, who: str, at_ms: int) -> bool:
        """Nobody complained in time: it counts as received; False if it has moved on."""
        async with session(self._sql, write=True) as connection:
            parcel, order = await self._lock(connection, found.parcel_id)
            if parcel.state != ParcelState.SHIPPED or parcel.due_ms > at_ms:
                return False
            await self._receive(connection, parcel, who, at_ms)
            await self._follow(connection, order, who, at_ms)
        return True

    async def list(self, order_ids: Sequence[str]) -> list[Parcel]:
        """The parcels of up to 500 orders."""
        async with session(self._sql) as connection:
            return await store.parcels_of(connection, order_ids)

    def address(self, parcel: Parcel) -> Address | None:
        """The address that a parcel was packed for. Raises CannotOpen."""
        if not parcel.sealed:
            return None
        return self._sealer.open(parcel.sealed, "parcel", parcel.parcel_id)

    async def _lock(self, connection: AsyncConnection, parcel_id: str) -> tuple[Parcel, Locked]:
        found = await store.find_parcel(connection, parcel_id)
        order = await lock_order(connection, found.order_id) if found else None
        # Again: it may have changed before the order was locked.
        found = await store.find_parcel(connection, parcel_id) if order else None
        if found is None or order is None:
            raise Unknown("unknown_parcel")
        return found, order

    async def _address(
        self, connection: AsyncConnection, order_id: str, method: Method
    ) -> Address | None:
        found = await address_of(connection, order_id)
        if found is not None:
            return open_order_address(self._sealer, found)
        if method in (Method.EXPRESS, Method.LOCAL):
            raise OrderRefused("no_address", "The buyer has not said where it goes.")
        return None

    async def hand_over(
        self, connection: AsyncConnection, order: Locked, note: str, who: str, at_ms: int
    ) -> None:
        """The buyer of an order that waits takes all of it with them, in the caller's transaction.

        WeChat is told of it as of a shipment. Raises AssertionError if the order is not locked.
        """
        parcel = Parcel(
            parcel_id=f"p{new_id()}",
            order_id=order.order_id,
            state=ParcelState.RECEIVED,
            method=Method.PICKUP,
            carrier="",
            number="",
            note=note,
            is_last=True,
            sealed="",
            key_id="",
            created_ms=at_ms,
            shipped_ms=at_ms,
            received_ms=at_ms,
            due_ms=0,
            updated_ms=at_ms,
        )
        await store.add_parcel(connection, parcel)
        await self._note(connection, parcel, "", who, at_ms)
        if self._tells_wechat:
            await outbox.note(connection, order.order_id, at_ms)
        if not await self._move(connection, order, Stage.RECEIVED, who, at_ms):
            raise AssertionError("an order changed under its lock")
        await self._leave_stock(connection, order, who, at_ms)

    async def _receive(
        self, connection: AsyncConnection, parcel: Parcel, who: str, at_ms: int
    ) -> None:
        values = {"state": ParcelState.RECEIVED, "received_ms": at_ms, "updated_ms": at_ms}
        await _change(connection, parcel, values)
        await self._note(connection, replace(parcel, **values), parcel.state, who, at_ms)

    async def _note(
        self,
        connection: AsyncConnection,
        parcel: Parcel,
        before: str,
        who: str,
        at_ms: int,
        kind: str = "",
        why: str = "",
    ) -> None:
        tracking = f"{parcel.carrier} {parcel.number}".strip()
        note_change(
            {"state": before} if before else None,
            {"parcel_id": parcel.parcel_id, "state": parcel.state, "tracking": tracking},
        )
        await add_event(
            connection,
            parcel.order_id,
            kind or f"parcel.{parcel.state}",
            at_ms=at_ms,
            who=who,
            why=why or tracking,
            about=parcel.parcel_id,
            before=before,
            after=parcel.state,
        )

    async def _follow(
        self, connection: AsyncConnection, order: Locked, who: str, at_ms: int
    ) -> None:
        """Bring the order's stage into step with its parcels; WeChat is to be told of them."""
        there = await store.parcels_of(connection, [order.order_id])
        if self._tells_wechat and any(p.state == ParcelState.SHIPPED for p in there):
            await outbox.note(connection, order.order_id, at_ms)
        after = stage_of(there)
        if after is Stage.WAITING and await is_all_back(connection, order.order_id):
            after = Stage.CANCELLED
        moved = await self._move(connection, order, after, who, at_ms)
        if moved and after is Stage.SHIPPED:
            await self._leave_stock(connection, order, who, at_ms)

    async def _move(
        self, connection: AsyncConnection, order: Locked, after: Stage, who: str, at_ms: int
    ) -> bool:
        """Move the order to a stage; False if it is there already."""
        if after == order.stage or not await move_stage(
            connection, order.order_id, order.stage, after
        ):
            return False
        await add_event(
            connection,
            order.order_id,
            f"order.{after or 'waiting'}",
            at_ms=at_ms,
            who=who,
            before=order.stage,
            after=after,
        )
        return True

    async def _leave_stock(
        self, connection: AsyncConnection, order: Locked, who: str, at_ms: int
    ) -> None:
        """The goods leave the stock of their SKU, once."""
        await leave_stock(
            connection,
            ref=order.order_id,
            order_id=order.order_id,
            units=order.quantity,
            at_ms=at_ms,
            actor=who,
        )


def stage_of(found: Sequence[Parcel]) -> Stage:
    """The stage of an order with these parcels, none of them cancelled."""
    if not found:
        return Stage.WAITING
    if not any(parcel.is_last for parcel in found):
        return Stage.PACKING
    if any(parcel.state == ParcelState.PACKING for parcel in found):
        return Stage.PACKING
    if any(parcel.state == ParcelState.SHIPPED for parcel in found):
        return Stage.SHIPPED
    return Stage.RECEIVED


def check_tracking(new: NewParcel, *, needed: bool = False) -> tuple[str, str]:
    """The carrier's code and the number, or two empty texts. Raises InvalidField."""
    if new.method is not Method.EXPRESS:
        for field in ("carrier", "number"):
            if getattr(new, field):
                raise InvalidField(field, f"A parcel by {new.method} has none.")
        return "", ""
    if not new.carrier and not new.number and not needed:
        return "", ""
    carrier = carrier_of(new.carrier)
    if carrier is None:
        raise InvalidField(
            "carrier", "There is no such carrier: `GET /v1/admin/carriers` lists them."
        )
    number = number_of(carrier, new.number)
    if not number:
        raise InvalidField("number", f"It is not a tracking number of {carrier.code}.")
    return carrier.code, number


def check_sold(order: Locked | None) -> Locked:
    """The order. Raises Unknown("unknown_order"), OrderRefused (not_sold, order_over)."""
    if order is None:
        raise Unknown("unknown_order")
    if order.state != HoldState.SOLD:
        raise OrderRefused("not_sold", f"The order is {order.state}.")
    if order.stage == Stage.CANCELLED:
        raise OrderRefused("order_over", "All of its money goes back.")
    return order


def check_stage(order: Locked, there: Sequence[Parcel]) -> None:
    """Whether another parcel may be added. Raises OrderRefused("all_shipped")."""
    if any(parcel.is_last for parcel in there):
        raise OrderRefused("all_shipped", "Its last parcel is there: cancel or correct that one.")
    if order.stage not in (Stage.WAITING, Stage.PACKING):
        raise OrderRefused("all_shipped", f"The order is {order.stage}.")


async def _change(connection: AsyncConnection, parcel: Parcel, values: dict[str, object]) -> None:
    if not await store.change_parcel(connection, parcel, **values):
        raise AssertionError("a parcel changed under the lock of its order")
