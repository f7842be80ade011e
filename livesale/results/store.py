"""Queries of results: sums that the database makes, by an index, no locks."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.tables import skus
from livesale.database.ranges import of_drops, portions
from livesale.ledger.refunds import SALES
from livesale.ledger.tables import books, drops, orders, payments, refunds, stock_ledger

MAX_DROPS = 200


class DropRow(Struct, frozen=True):
    """A drop with its books as SQL has them now."""

    drop_id: str
    campaign_id: str
    room_id: str | None
    title: str
    state: str
    price_fen: int
    opens_ms: int
    closes_ms: int
    created_ms: int
    partition: int
    allotted: int
    available: int
    held: int
    sold: int
    burned: int


class Moved(Struct, frozen=True):
    """What moved in one step of time: deltas."""

    step: int
    available: int
    held: int
    sold: int
    burned: int


class Ordered(Struct, frozen=True):
    """The orders of a drop in one state."""

    drop_id: str
    state: str
    orders: int
    units: int
    amount_fen: int


class Returned(Struct, frozen=True):
    """The refunds of a drop's orders; `late_fen` is money that came too late to buy anything."""

    drop_id: str
    back_fen: int
    late_fen: int
    failed_fen: int


_DROP: Select[Any] = select(
    *(drops.c[name] for name in ("drop_id", "campaign_id", "room_id")),
    func.coalesce(skus.c.title, ""),
    *(drops.c[name] for name in ("state", "price_fen", "opens_ms", "closes_ms", "created_ms")),
    drops.c.partition,
    func.coalesce(books.c.allotted, drops.c.allotted),
    func.coalesce(books.c.available, 0),
    func.coalesce(books.c.held, 0),
    func.coalesce(books.c.sold, 0),
    func.coalesce(books.c.burned, 0),
).select_from(
    drops.outerjoin(books, books.c.drop_id == drops.c.drop_id).outerjoin(
        skus, skus.c.sku_id == drops.c.sku_id
    )
)


async def find_drops(connection: AsyncConnection, drop_ids: Sequence[str]) -> list[DropRow]:
    query = _DROP.where(drops.c.drop_id.in_(drop_ids)).order_by(drops.c.drop_id)
    return [DropRow(*row) for row in await connection.execute(query)]


async def drops_sold_in(
    connection: AsyncConnection, *, campaign_id: str, room_id: str
) -> list[DropRow]:
    """The first MAX_DROPS drops of a campaign, or of a room, the oldest first."""
    query = _DROP.order_by(drops.c.drop_id).limit(MAX_DROPS)
    if campaign_id:
        query = query.where(drops.c.campaign_id == campaign_id)
    if room_id:
        query = query.where(drops.c.room_id == room_id)
    return [DropRow(*row) for row in await connection.execute(query)]


async def moves_since(
    connection: AsyncConnection, drop: DropRow, since_ms: int, step_ms: int
) -> list[Moved]:
    """What moved in each step after `since_ms`: also what moved after the last one."""
    row = stock_ledger.c
    at_ms = row.at_ms - since_ms
    step = (at_ms - at_ms % step_ms) / step_ms
    query = (
        select(step, *(func.sum(row[name]) for name in Moved.__struct_fields__[1:]))
        .where(row.drop_id == drop.drop_id, row.at_ms >= since_ms)
        .group_by(step)
        .order_by(step)
    )
    return [Moved(*map(int, found)) for found in await connection.execute(query)]


async def orders_of(connection: AsyncConnection, drop_ids: Sequence[str]) -> list[Ordered]:
    """The orders of these drops by state: a range of the primary key for each drop."""
    row = orders.c
    found: list[Ordered] = []
    for some in portions(drop_ids):
        query = (
            select(
                *(row.drop_id, row.state, func.count()),
                *(func.sum(row.quantity), func.sum(row.amount_fen)),
            )
            .where(of_drops(row.order_id, some or ()))
            .group_by(row.drop_id, row.state)
        )
        found += [
            Ordered(drop_id, state, *map(int, rest))
            for drop_id, state, *rest in await connection.execute(query)
        ]
    return found


async def refunds_of(connection: AsyncConnection, drop_ids: Sequence[str]) -> list[Returned]:
    """What went back, or is on its way, of the money of these drops."""
    row, fen = refunds.c, refunds.c.amount_fen
    found: list[Returned] = []
    for some in portions(drop_ids):
        query = (
            select(
                orders.c.drop_id,
                _sum(case((payments.c.result.in_(SALES), fen), else_=0)),
                _sum(case((payments.c.result.in_(SALES), 0), else_=fen)),
                _sum(case((row.state == "failed", fen), else_=0)),
            )
            .select_from(
                refunds.join(orders, orders.c.order_id == row.order_id).outerjoin(
                    payments, payments.c.payment_id == row.payment_id
                )
            )
            .where(of_drops(row.order_id, some or ()))
            .group_by(orders.c.drop_id)
        )
        found += [
            Returned(drop_id, *map(int, rest)) for drop_id, *rest in await connection.execute(query)
        ]
    return found


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)
