"""What buyers have of all drops of a campaign with a limit, from the orders in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.ranges import Some, among, of_drops, portions
from livesale.ledger.tables import drops, orders, stock_ledger
from stock.model import HoldState

_OWN = (HoldState.HELD.value, HoldState.SOLD.value)
SHOWN = 6


async def limits_of(connection: AsyncConnection, some: Some) -> dict[str, int]:
    """The campaigns with a limit that these drops belong to, and their limits."""
    row = drops.c
    query = (
        select(row.campaign_id, func.min(row.campaign_limit))
        .where(row.campaign_limit > 0, among(row.drop_id, some))
        .group_by(row.campaign_id)
    )
    return {name: int(limit) for name, limit in await connection.execute(query)}


async def units_of(
    connection: AsyncConnection, campaign_id: str, buyer_id: str | None = None
) -> dict[str, int]:
    """Units held or sold, without those that came back, by buyer; of one buyer or all."""
    query = select(drops.c.drop_id).where(drops.c.campaign_id == campaign_id)
    names = sorted((await connection.scalars(query)).all())
    found: dict[str, int] = {}
    for some in portions(names):
        for buyer, units in await _sums(connection, some or (), buyer_id):
            found[buyer] = found.get(buyer, 0) + int(units)
    return found


async def over_campaign_limits(connection: AsyncConnection, some: Some) -> list[str]:
    """I5: buyers who have more units of a campaign than its limit."""
    broken = []
    for campaign_id, limit in (await limits_of(connection, some)).items():
        broken += [
            f"{buyer} has {units} of the campaign {campaign_id}, the limit is {limit}"
            for buyer, units in (await units_of(connection, campaign_id)).items()
            if units > limit
        ]
    return broken[:SHOWN]


async def _sums(
    connection: AsyncConnection, drop_ids: Sequence[str], buyer_id: str | None
) -> Sequence[Any]:
    moved, order = stock_ledger.c, orders.c
    back = (
        select(moved.order_id, func.sum(moved.sold).label("units"))
        .where(moved.kind == "take_back", moved.drop_id.in_(drop_ids))
        .group_by(moved.order_id)
        .subquery()
    )
    query = (
        select(order.buyer_id, func.sum(order.quantity + func.coalesce(back.c.units, 0)))
        .outerjoin(back, back.c.order_id == order.order_id)
        .where(of_drops(order.order_id, drop_ids), order.state.in_(_OWN))
        .group_by(order.buyer_id)
    )
    if buyer_id is not None:
        query = query.where(order.buyer_id == buyer_id)
    return (await connection.execute(query)).all()
