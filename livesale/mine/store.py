"""What belongs to a buyer. Queries only; every one takes a connection."""

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import older
from livesale.ledger.tables import drops, orders, refunds
from livesale.rooms.bags.store import Prize
from livesale.rooms.bags.tables import bag_prizes, bags
from livesale.rooms.tables import rooms
from stock.model import DropState

MAX_LIVE = 500


class OwnRefund(Struct, frozen=True):
    """Money that goes back. `state`: due, sent, accepted by the gateway, refunded, or failed, which
    an operator handles. `reason`: too_late, paid_twice, operator, after_sale."""

    refund_no: str
    order_id: str
    drop_id: str
    amount_fen: int
    state: str
    reason: str
    created_ms: int
    updated_ms: int


class OwnCoupon(Struct, frozen=True):
    """A prize that is a coupon; `title` is that of its bag."""

    prize: Prize
    room_id: str
    title: str
    coupon: str


class RoomTitle(Struct, frozen=True):
    title: str
    begins_ms: int


async def live_drops(connection: AsyncConnection) -> list[str]:
    """The ids of drops that sell or are paused, the newest first."""
    query = (
        select(drops.c.drop_id)
        .where(
            drops.c.archived_ms.is_(None),
            drops.c.state.in_((DropState.OPEN, DropState.PAUSED)),
        )
        .order_by(drops.c.drop_id.desc())
        .limit(MAX_LIVE)
    )
    return list((await connection.scalars(query)).all())


async def refunds_of_buyer(
    connection: AsyncConnection, buyer_id: str, *, before: tuple[int, str] | None, limit: int
) -> list[OwnRefund]:
    """Refunds of a buyer's orders before the key (created_ms, refund_no), the newest first."""
    columns: list[Any] = [
        (orders if name == "drop_id" else refunds).c[name] for name in OwnRefund.__struct_fields__
    ]
    query = (
        select(*columns)
        .select_from(orders.join(refunds, refunds.c.order_id == orders.c.order_id))
        .where(orders.c.buyer_id == buyer_id)
        .order_by(refunds.c.created_ms.desc(), refunds.c.refund_no.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(older(refunds.c.created_ms, refunds.c.refund_no, before))
    return [OwnRefund(*row) for row in await connection.execute(query)]


async def coupons_of(
    connection: AsyncConnection, buyer_id: str, *, before: str, limit: int
) -> list[OwnCoupon]:
    """Coupons that a buyer won in lucky bags with a smaller id than `before` (or all), the newest
    first. A bag gives one prize to a buyer."""
    query = (
        select(
            *(bags.c.room_id, bags.c.title, bags.c.coupon),
            *[bag_prizes.c[name] for name in Prize.__struct_fields__],
        )
        .select_from(bag_prizes.join(bags, bags.c.bag_id == bag_prizes.c.bag_id))
        .where(bag_prizes.c.buyer_id == buyer_id, bags.c.coupon.is_not(None))
        .order_by(bag_prizes.c.bag_id.desc())
        .limit(limit)
    )
    if before:
        query = query.where(bag_prizes.c.bag_id < before)
    return [OwnCoupon(Prize(*row[3:]), *row[:3]) for row in await connection.execute(query)]


async def titles_of_rooms(
    connection: AsyncConnection, room_ids: Collection[str]
) -> dict[str, RoomTitle]:
    query = select(rooms.c.room_id, rooms.c.title, rooms.c.starts_ms).where(
        rooms.c.room_id.in_(room_ids)
    )
    return {row.room_id: RoomTitle(*row[1:]) for row in await connection.execute(query)}


async def openings_of(connection: AsyncConnection, drop_ids: Collection[str]) -> dict[str, int]:
    """When each of these drops opens."""
    query = select(drops.c.drop_id, drops.c.opens_ms).where(drops.c.drop_id.in_(drop_ids))
    return {row.drop_id: row.opens_ms for row in await connection.execute(query)}
