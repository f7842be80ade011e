"""Use cases of operators: find orders, and see all of one."""

from msgspec import Struct
from msgspec.structs import replace

from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger.orders import Order, find_any_order
from livesale.ledger.refunds import Refund, refunds_of
from livesale.orders.addresses.form import Address
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.service import open_order_address
from livesale.orders.addresses.store import address_of
from livesale.orders.cases.store import Case, TakeBackRow, cases_of, take_backs_of
from livesale.orders.events import Event, events_of
from livesale.orders.search import store
from livesale.orders.search.store import SOLD, UNSOLD, Filter, Found, Place
from livesale.orders.shipments.store import Parcel, parcels_of
from livesale.orders.stages import BY_NAME
from livesale.payments.prepays import states_of
from livesale.resources import Deployment
from livesale.validation.refusals import Unknown
from stock.ids import is_rid


class Wanted(Struct, frozen=True):
    """What an operator looks for. Of `number`, `phone` and `buyer_id`, the first one leads."""

    number: str = ""  # of an order or of a parcel
    phone: str = ""  # its last four digits
    buyer_id: str = ""
    status: str = ""
    from_ms: int | None = None
    until_ms: int | None = None
    after: str = ""
    limit: int = 50


class Whole(Struct, frozen=True):
    """All of one order."""

    order: Order
    prepay: str
    refunds: list[Refund]
    parcels: list[Parcel]
    cases: list[Case]
    take_backs: list[TakeBackRow]
    events: list[Event]
    has_address: bool


class OrderSearch:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, sealer: Sealer) -> None:
        self._sql = deployment.sql
        self._sealer = sealer

    async def page(self, wanted: Wanted) -> tuple[list[Found], str | None]:
        """A page of the list, the newest first; and the cursor of the next one.

        Raises OrderRefused("addresses_off") for a search by phone without a key.
        """
        rows = filter_of(wanted)
        hashes = self._sealer.phone_hashes(wanted.phone) if wanted.phone else []
        async with session(self._sql) as connection:
            if wanted.number:
                number = wanted.number
                ids = [number] if is_rid(number) else []
                ids += await store.orders_of_number(connection, number.upper())
                query = store.query_of_ids(ids or [""], rows)
            elif wanted.phone:
                query = store.query_of_phone(hashes, rows)
            elif wanted.buyer_id:
                query = store.query_of_buyer(wanted.buyer_id, rows)
            else:
                query = store.query_of_places(rows)
            found = await store.find(connection, query)
        return found, next_cursor(
            found, wanted.limit, lambda order: (order.created_ms, order.order_id)
        )

    async def whole(self, order_id: str) -> Whole:
        """Raises Unknown("unknown_order")."""
        async with session(self._sql) as connection:
            order = await find_any_order(connection, order_id)
            if order is None:
                raise Unknown("unknown_order")
            ids = [order_id]
            return Whole(
                order=order,
                prepay=(await states_of(connection, ids)).get(order_id, "none"),
                refunds=await refunds_of(connection, ids),
                parcels=await parcels_of(connection, ids),
                cases=await cases_of(connection, ids),
                take_backs=list((await take_backs_of(connection, ids)).values()),
                events=await events_of(connection, order_id),
                has_address=await address_of(connection, order_id) is not None,
            )

    async def address(self, order_id: str) -> Address | None:
        """Where an order goes. Raises Unknown, OrderRefused("addresses_off"), CannotOpen."""
        self._sealer.check_on()
        async with session(self._sql) as connection:
            found = await address_of(connection, order_id)
            if found is None and await find_any_order(connection, order_id) is None:
                raise Unknown("unknown_order")
        return open_order_address(self._sealer, found) if found else None


def filter_of(wanted: Wanted) -> Filter:
    """The conditions on the rows."""
    before = key_of(wanted.after)
    rows = Filter(None, wanted.from_ms, wanted.until_ms, before, wanted.limit)
    return replace(rows, places=_places(wanted.status)) if wanted.status else rows


def _places(status: str) -> tuple[Place, ...]:
    if status == "sold":
        return SOLD
    if status in BY_NAME:
        return (("sold", BY_NAME[status].value),)
    return tuple(place for place in UNSOLD if place[0] == status)
