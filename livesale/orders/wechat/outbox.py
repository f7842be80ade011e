"""The outbox of shipping information: a row an order, written with the parcel that it tells of.

A change of the parcels raises `version` and makes the row due again, so nothing that was sent
hides what came after it.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.orders.wechat.tables import shipping_uploads as uploads

DUE, SENT, REFUSED = "due", "sent", "refused"
NOT_NEEDED = "not_needed"  # it was paid in a page: WeChat asks for those of the mini-program only


class Upload(Struct, frozen=True):
    order_id: str
    state: str
    version: int
    tries: int
    next_ms: int


_UPLOAD = select(*[uploads.c[name] for name in Upload.__struct_fields__])


async def note(connection: AsyncConnection, order_id: str, at_ms: int) -> None:
    """WeChat is to be told of an order. In a transaction that has locked the order."""
    values = {"state": DUE, "tries": 0, "next_ms": at_ms, "updated_ms": at_ms}
    done = await connection.execute(
        update(uploads)
        .where(uploads.c.order_id == order_id)
        .values(version=uploads.c.version + 1, **values)
    )
    if done.rowcount == 0:
        row = {"order_id": order_id, "version": 1, "detail": "", "created_ms": at_ms}
        await connection.execute(insert(uploads), row | values)


async def due_uploads(connection: AsyncConnection, at_ms: int, limit: int) -> list[Upload]:
    query = _UPLOAD.where(uploads.c.state == DUE, uploads.c.next_ms <= at_ms)
    rows = await connection.execute(query.order_by(uploads.c.next_ms).limit(limit))
    return [Upload(*row) for row in rows]


async def change(connection: AsyncConnection, found: Upload, **values: Any) -> bool:
    """By compare-and-set on version and tries; False if somebody else has it, or it changed."""
    done = await connection.execute(
        update(uploads)
        .where(
            uploads.c.order_id == found.order_id,
            uploads.c.state == found.state,
            uploads.c.version == found.version,
            uploads.c.tries == found.tries,
        )
        .values(values)
    )
    return done.rowcount == 1


async def count_refused(connection: AsyncConnection) -> int:
    query = select(func.count()).where(uploads.c.state == REFUSED)
    return await connection.scalar(query) or 0
