"""A buyer's orders from SQL, a moment behind the reservations."""

from collections.abc import Sequence

from msgspec import Struct

from livesale.catalogue.store import find_drop
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.ledger.orders import Order, find_order, list_orders, list_orders_of_drop
from livesale.ledger.refunds import Refund, refunds_of
from livesale.orders.cases.store import Case, cases_of
from livesale.orders.shipments.store import Parcel, parcels_of
from livesale.payments.prepays import states_of
from livesale.resources import Deployment
from livesale.validation.refusals import Unknown


class Money(Struct, frozen=True):
    """The states of the orders' prepays, their refunds, parcels and cases."""

    prepays: dict[str, str]
    refunds: list[Refund]
    parcels: list[Parcel]
    cases: list[Case]


class Orders:
    """Reads. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def find(self, order_id: str, buyer_id: str) -> Order:
        """Raises Unknown("unknown_order"), also for another buyer's order."""
        async with session(self._sql) as connection:
            order = await find_order(connection, order_id, buyer_id)
        if order is None:
            raise Unknown("unknown_order")
        return order

    async def money(self, order_ids: Sequence[str]) -> Money:
        """The prepays, refunds, parcels and cases of some orders."""
        if not order_ids:
            return Money({}, [], [], [])
        async with session(self._sql) as connection:
            return Money(
                await states_of(connection, order_ids),
                await refunds_of(connection, order_ids),
                await parcels_of(connection, order_ids),
                await cases_of(connection, order_ids),
            )

    async def page(
        self, buyer_id: str, *, after: str | None, limit: int
    ) -> tuple[list[Order], str | None]:
        """Orders after the cursor `after`, the newest first; and the cursor of the next page."""
        async with session(self._sql) as connection:
            found = await list_orders(connection, buyer_id, before=key_of(after), limit=limit)
        return found, next_cursor(found, limit, lambda order: (order.created_ms, order.order_id))

    async def page_of_drop(
        self, drop_id: str, *, after: str, limit: int
    ) -> tuple[list[Order], str | None]:
        """All orders by id; and the `after` of the next page. Raises Unknown("unknown_drop")."""
        async with session(self._sql) as connection:
            if await find_drop(connection, drop_id) is None:
                raise Unknown("unknown_drop")
            found = await list_orders_of_drop(connection, drop_id, after=after, limit=limit)
        return found, found[-1].order_id if len(found) == limit else None
