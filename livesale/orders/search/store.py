"""Queries of the operators' list. Each reads its page from one index, by key.

The list without a buyer or a phone is the union of one range for each state and stage: the database
reads at most a page of each, however many orders there are.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.tables import orders
from livesale.orders.addresses.tables import order_addresses
from livesale.orders.shipments.tables import parcels
from livesale.orders.stages import Stage
from stock.model import HoldState

# (state, stage): every one that an order can have.
Place = tuple[str, str]
UNSOLD: tuple[Place, ...] = tuple(
    (state.value, "") for state in HoldState if state is not HoldState.SOLD
)
SOLD: tuple[Place, ...] = tuple((HoldState.SOLD.value, stage.value) for stage in Stage)


class Found(Struct, frozen=True, gc=False):
    order_id: str
    drop_id: str
    buyer_id: str
    state: str
    stage: str
    quantity: int
    amount_fen: int
    created_ms: int
    updated_ms: int


class Filter(Struct, frozen=True):
    """`places`: None for all. `before`: the key of the last row of the page before."""

    places: tuple[Place, ...] | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    before: tuple[int, str] | None = None
    limit: int = 50


_NOWHERE = "~"
_COLUMNS = [orders.c[name] for name in Found.__struct_fields__]


def query_of_places(wanted: Filter) -> Select[Any]:
    """By state and stage: a range of `orders_by_state` for each."""
    parts = []
    for state, stage in wanted.places or (*UNSOLD, *SOLD):
        # Each with one that no order has: for one alone, MariaDB may read the whole stage down to
        # the page (`ref`), and not begin at its key (`range`).
        part = select(*_COLUMNS).where(
            orders.c.state.in_((state, _NOWHERE)), orders.c.stage.in_((stage, _NOWHERE))
        )
        key = (orders.c.created_ms, orders.c.order_id)
        place = (orders.c.state, orders.c.stage)
        parts.append(select(_page(part, key, wanted, *place).subquery()))
    both = union_all(*parts).subquery()
    keys = (both.c.created_ms.desc(), both.c.order_id.desc())
    return select(both).order_by(*keys).limit(wanted.limit)


def query_of_buyer(buyer_id: str, wanted: Filter) -> Select[Any]:
    query = select(*_COLUMNS).where(orders.c.buyer_id == buyer_id, *_placed(wanted))
    return _page(query, (orders.c.created_ms, orders.c.order_id), wanted)


def query_of_phone(hashes: Sequence[str], wanted: Filter) -> Select[Any]:
    """By the hash of four digits. The order of the list is that of the addresses' rows."""
    given = order_addresses.c
    columns = [
        given.created_ms if name == "created_ms" else orders.c[name]
        for name in Found.__struct_fields__
    ]
    query = (
        select(*columns)
        .select_from(order_addresses.join(orders, orders.c.order_id == given.order_id))
        .where(given.phone_hash.in_(hashes), *_placed(wanted))
    )
    return _page(query, (given.created_ms, given.order_id), wanted)


def query_of_ids(order_ids: Sequence[str], wanted: Filter) -> Select[Any]:
    query = select(*_COLUMNS).where(orders.c.order_id.in_(order_ids), *_placed(wanted))
    return _page(query, (orders.c.created_ms, orders.c.order_id), wanted)


async def find(connection: AsyncConnection, query: Select[Any]) -> list[Found]:
    return [Found(*row) for row in await connection.execute(query)]


async def orders_of_number(connection: AsyncConnection, number: str) -> list[str]:
    """Orders with a parcel of this tracking number."""
    query = select(parcels.c.order_id).where(parcels.c.number == number).limit(100)
    return list(await connection.scalars(query))


def _placed(wanted: Filter) -> list[ColumnElement[bool]]:
    if wanted.places is None:
        return []
    each = [
        and_(orders.c.state == state, orders.c.stage == stage) for state, stage in wanted.places
    ]
    return [or_(*each)]


def _page(
    query: Select[Any], key: tuple[Any, Any], wanted: Filter, *first: ColumnElement[Any]
) -> Select[Any]:
    """A page of a query, the newest first, after the key `before`.

    `first` are columns that are the same in all rows, and come before the key in the index.
    """
    created_ms, order_id = key
    if wanted.from_ms is not None:
        query = query.where(created_ms >= wanted.from_ms)
    if wanted.until_ms is not None:
        query = query.where(created_ms < wanted.until_ms)
    if wanted.before is not None:
        at_ms, last_id = wanted.before
        # The first condition bounds the range; the second one only cuts the same millisecond.
        query = query.where(created_ms <= at_ms, or_(created_ms < at_ms, order_id < last_id))
    keys = [column.desc() for column in (*first, created_ms, order_id)]
    return query.order_by(*keys).limit(wanted.limit)
