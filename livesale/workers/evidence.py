"""Whether Redis bears out an entry of the log: asked only when its books do not fit SQL's."""

from redis.asyncio import Redis

from stock.entries import Confirmed, Ended, LogEntry, Reserved
from stock.keyspace import Keyspace
from stock.model import HoldState, Reservation
from stock.records import unpack_reservation


async def is_borne_out(redis: "Redis", keyspace: Keyspace, entry: LogEntry) -> bool:
    """Whether every row of `entry` stands in the reservations of its drop.

    False for entries that are about a drop as a whole: a copy of one could not be told from it.
    Raises redis.exceptions.RedisError.
    """
    rows = [row for row in entry.rows if isinstance(row, Reserved | Ended | Confirmed)]
    if not rows:
        return False
    key = keyspace.of_drop(entry.drop_id).reservations
    packed = await redis.hmget(key, [row.rid for row in rows])
    return all(
        text is not None and _agrees(row, unpack_reservation(row.rid, str(text)))
        for row, text in zip(rows, packed, strict=True)
    )


def _agrees(row: Reserved | Ended | Confirmed, record: Reservation) -> bool:
    if (row.buyer_id, row.quantity) != (record.buyer_id, record.quantity):
        return False
    match row:
        case Reserved():
            return (row.price_fen, row.expires_ms) == (record.price_fen, record.expires_ms)
        case Ended():
            return record.state is not HoldState.HELD
        case Confirmed():
            return row.payment_id == record.paid_by or row.payment_id in record.refunds
