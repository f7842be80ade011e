"""Use cases of addresses: a buyer's book, and where an order goes."""

import hashlib

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger.orders import find_order
from livesale.orders.addresses import store
from livesale.orders.addresses.form import Address, AddressForm, check_address
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.store import OrderAddress, SealedAddress
from livesale.orders.events import add_event, lock_order
from livesale.orders.pickups import PickupState, cancel_pickup
from livesale.orders.stages import Stage
from livesale.resources import Deployment
from livesale.validation.refusals import KeyConflict, OrderRefused, Unknown
from stock.ids import new_id
from stock.model import HoldState


class Kept(Struct, frozen=True):
    """An address in a buyer's book."""

    address_id: str
    address: Address
    is_default: bool
    updated_ms: int


class AddressBook:
    """One per process. All raise StoreUnavailable, and OrderRefused("addresses_off")."""

    def __init__(self, deployment: Deployment, sealer: Sealer) -> None:
        self._sql = deployment.sql
        self._most = deployment.settings.orders.max_addresses
        self._sealer = sealer

    async def list(self, buyer_id: str) -> list[Kept]:
        """The default first, then the newest."""
        self._sealer.check_on()
        async with session(self._sql) as connection:
            found = await store.list_addresses(connection, buyer_id)
        return [self._kept(row) for row in found]

    async def find(self, address_id: str, buyer_id: str) -> Kept:
        """Raises Unknown("unknown_address"), also for another buyer's."""
        self._sealer.check_on()
        async with session(self._sql) as connection:
            found = await store.find_address(connection, address_id, buyer_id)
        if found is None:
            raise Unknown("unknown_address")
        return self._kept(found)

    async def add(
        self, buyer_id: str, form: AddressForm, *, default: bool, key: str | None
    ) -> tuple[Kept, bool]:
        """Keep an address; the first one is the default. Also says whether it is new.

        The same `key` again gives the same address. Raises InvalidField, KeyConflict, OrderRefused.
        """
        self._sealer.check_on()
        address = check_address(form)
        address_id = f"a{new_id()}" if key is None else _keyed_id(buyer_id, key)
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            there = await store.list_addresses(connection, buyer_id)
            new = SealedAddress(
                address_id=address_id,
                buyer_id=buyer_id,
                sealed=self._sealer.seal(address, *_owner(address_id, buyer_id)),
                key_id=self._sealer.key_id,
                is_default=not there,
                created_ms=at_ms,
                updated_ms=at_ms,
            )
            known = next((row for row in there if row.address_id == address_id), None)
            if known is None and len(there) >= self._most:
                detail = f"At most {self._most} addresses: delete one first."
                raise OrderRefused("too_many_addresses", detail)
            if known is None and not await store.add_address(connection, new):
                known = await store.find_address(connection, address_id, buyer_id)
            if known is None and default:
                await store.make_default(connection, address_id, buyer_id)
        if known is None:
            return Kept(address_id, address, default or not there, at_ms), True
        kept = self._kept(known)
        if kept.address != address:
            raise KeyConflict("The key was used for another address.")
        return kept, False

    async def change(self, address_id: str, buyer_id: str, form: AddressForm) -> Kept:
        """Replace an address. Raises Unknown, InvalidField. Orders keep theirs."""
        self._sealer.check_on()
        address = check_address(form)
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            found = await store.find_address(connection, address_id, buyer_id)
            if found is None:
                raise Unknown("unknown_address")
            new = SealedAddress(
                address_id=address_id,
                buyer_id=buyer_id,
                sealed=self._sealer.seal(address, *_owner(address_id, buyer_id)),
                key_id=self._sealer.key_id,
                is_default=found.is_default,
                created_ms=found.created_ms,
                updated_ms=at_ms,
            )
            await store.change_address(connection, new)
        return Kept(address_id, address, found.is_default, at_ms)

    async def remove(self, address_id: str, buyer_id: str) -> None:
        """Delete an address; if it was the default, the newest one becomes it. Idempotent."""
        async with session(self._sql, write=True) as connection:
            found = await store.find_address(connection, address_id, buyer_id)
            if found is None:
                return
            await store.delete_address(connection, address_id, buyer_id)
            left = await store.list_addresses(connection, buyer_id)
            if found.is_default and left:
                await store.make_default(connection, left[0].address_id, buyer_id)

    async def make_default(self, address_id: str, buyer_id: str) -> Kept:
        """Raises Unknown("unknown_address")."""
        self._sealer.check_on()
        async with session(self._sql, write=True) as connection:
            if await store.find_address(connection, address_id, buyer_id) is None:
                raise Unknown("unknown_address")
            await store.make_default(connection, address_id, buyer_id)
        return await self.find(address_id, buyer_id)

    def _kept(self, row: SealedAddress) -> Kept:
        address = self._sealer.open(row.sealed, *_owner(row.address_id, row.buyer_id))
        return Kept(row.address_id, address, row.is_default, row.updated_ms)


class OrderAddresses:
    """Where orders go. Raises like AddressBook; `put` also the faults of stock.errors."""

    def __init__(self, deployment: Deployment, sealer: Sealer) -> None:
        self._engine = deployment.engine
        self._sql = deployment.sql
        self._sealer = sealer

    async def find(self, order_id: str, buyer_id: str) -> Address | None:
        """Raises Unknown("unknown_order")."""
        self._sealer.check_on()
        async with session(self._sql) as connection:
            found = await store.address_of(connection, order_id)
            if found is not None and found.buyer_id == buyer_id:
                return open_order_address(self._sealer, found)
            if found is not None or await find_order(connection, order_id, buyer_id) is None:
                raise Unknown("unknown_order")
        return None

    async def put(self, order_id: str, buyer_id: str, address: Address) -> None:
        """Set or replace it, before or after the payment, until somebody packs.

        Raises Unknown("unknown_order"), OrderRefused (order_over, already_packed).
        """
        self._sealer.check_on()
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            order = await lock_order(connection, order_id)
            if order is not None and order.buyer_id != buyer_id:
                raise Unknown("unknown_order")
            if order is not None:
                check_open(order.state, order.stage)
                await self._put(connection, order_id, buyer_id, address, order.created_ms, at_ms)
                return
        # The writer is behind: Redis knows the reservation.
        reservation = await self._engine.reservation(order_id)
        if reservation is None or reservation.buyer_id != buyer_id:
            raise Unknown("unknown_order")
        check_open(reservation.state, Stage.WAITING)
        async with session(self._sql, write=True) as connection:
            order = await lock_order(connection, order_id, buyer_id)
            if order is not None:
                check_open(order.state, order.stage)
            created_ms = order.created_ms if order else at_ms
            await self._put(connection, order_id, buyer_id, address, created_ms, at_ms)

    async def _put(
        self,
        connection: AsyncConnection,
        order_id: str,
        buyer_id: str,
        address: Address,
        created_ms: int,
        at_ms: int,
    ) -> None:
        known = await store.address_of(connection, order_id)
        if known is not None and open_order_address(self._sealer, known) == address:
            return
        new = OrderAddress(
            order_id=order_id,
            buyer_id=buyer_id,
            sealed=self._sealer.seal(address, "order", order_id),
            key_id=self._sealer.key_id,
            phone_hash=self._sealer.phone_hash(address.last_four),
            created_ms=created_ms,
            updated_ms=at_ms,
        )
        await store.put_order_address(connection, new)
        kind = "address.given" if known is None else "address.changed"
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
        await add_event(connection, order_id, kind, at_ms=at_ms, who=f"buyer|{buyer_id}")


def check_open(state: str, stage: str) -> None:
    """Whether the address of an order may still change. Raises OrderRefused."""
    if state not in (HoldState.HELD, HoldState.SOLD) or stage == Stage.CANCELLED:
        raise OrderRefused("order_over", f"The order is {stage or state}: nothing will be sent.")
    if stage != Stage.WAITING:
        raise OrderRefused("already_packed", "It is being packed, or on its way.")


def open_order_address(sealer: Sealer, row: OrderAddress) -> Address:
    """Raises CannotOpen."""
    return sealer.open(row.sealed, "order", row.order_id)


def _owner(address_id: str, buyer_id: str) -> tuple[str, str, str]:
    return "book", address_id, buyer_id


_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def _keyed_id(buyer_id: str, key: str) -> str:
    """The same id at every retry."""
    digest = hashlib.blake2b(f"{buyer_id}|{key}".encode(), digest_size=13).digest()
    return "a" + "".join(_LETTERS[byte & 31] for byte in digest)
