"""Queries of the go/no-go list: bounded, by an index."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.products.tables import products
from livesale.catalogue.tables import skus
from livesale.ledger.line_tables import lines
from livesale.reminders.store import FAILED, WAITING
from livesale.reminders.tables import reminders
from livesale.rooms.ingest.tables import room_streams
from stock.line.model import LineState

SILENT, ACTIVE, NONE = "silent", "active", "none"
NO_PICTURES = "[]"


async def streams_of(connection: AsyncConnection, room_ids: Collection[str]) -> dict[str, str]:
    """The state of the stream of each room that ever had one."""
    row = room_streams.c
    query = select(row.room_id, row.session, row.silent).where(row.room_id.in_(room_ids))
    return {
        room_id: NONE if name is None else SILENT if silent else ACTIVE
        for room_id, name, silent in await connection.execute(query)
    }


async def reminders_for(
    connection: AsyncConnection, drop_ids: Sequence[str], room_ids: Sequence[str]
) -> tuple[int, int]:
    """How many reminders of these wait, and how many failed."""
    row = reminders.c
    mine = or_(
        and_(row.kind == "drop", row.target_id.in_(drop_ids)),
        and_(row.kind == "room", row.target_id.in_(room_ids)),
    )
    query = (
        select(row.state, func.count())
        .where(row.state.in_((WAITING, FAILED)), mine)
        .group_by(row.state)
    )
    found = {state: int(count) for state, count in await connection.execute(query)}
    return found.get(WAITING, 0), found.get(FAILED, 0)


async def without_pictures(connection: AsyncConnection, sku_ids: Collection[str]) -> set[str]:
    """Those of these SKUs whose product shows no picture, or that have no product."""
    query = (
        select(skus.c.sku_id)
        .select_from(skus.outerjoin(products, products.c.product_id == skus.c.product_id))
        .where(
            skus.c.sku_id.in_(sku_ids),
            or_(products.c.product_id.is_(None), products.c.pictures == NO_PICTURES),
        )
    )
    return set((await connection.scalars(query)).all())


async def modes_of_lines(connection: AsyncConnection, drop_ids: Collection[str]) -> dict[str, str]:
    """The mode of the line of each of these drops that has one and can open."""
    row = lines.c
    query = select(row.drop_id, row.mode).where(
        row.drop_id.in_(drop_ids), row.state != LineState.VOID.value
    )
    return {drop_id: mode for drop_id, mode in await connection.execute(query)}  # noqa: C416
