"""Whether Redis confirms a log entry whose books do not match SQL's."""

from collections.abc import Sequence

from redis.asyncio import Redis

from stock.entries import (
    STATE_CHANGES,
    Adjusted,
    Claiming,
    Confirmed,
    Ended,
    Granted,
    LogEntry,
    Opened,
    Reserved,
    Row,
    TakenBack,
)
from stock.keyspace import DropKeys, Keyspace
from stock.model import HoldState
from stock.records import unpack_reservation


async def find_doubt(redis: "Redis", keyspace: Keyspace, entry: LogEntry) -> str:
    """How Redis contradicts `entry`; empty if it does not.

    It also confirms a copy of a right entry: SQL must refuse its rows. A pause and the like leave
    only a state in Redis, so they are in doubt if the drop has another state by now.
    Raises redis.exceptions.RedisError.
    """
    keys = keyspace.of_drop(entry.drop_id)
    after = STATE_CHANGES.get(entry.kind)
    if after is not None and not entry.rows:
        state = await _field(redis, keys, "state")
        return "" if state == after else f"the drop is {state} in Redis"
    claims = [row for row in entry.rows if isinstance(row, Claiming)]
    doubts = await _doubts_about_claims(redis, keys, claims) if claims else []
    for row in entry.rows:
        doubts += await _doubts_about_drop(redis, keys, row)
    return doubts[0] if doubts else ""


async def _doubts_about_claims(
    redis: "Redis", keys: DropKeys, rows: Sequence[Claiming]
) -> list[str]:
    packed = await redis.hmget(keys.reservations, [row.rid for row in rows])
    return [
        f"{row.rid} is {_shown(text)} in Redis, which does not follow from the entry"
        for row, text in zip(rows, packed, strict=True)
        if not _agrees(row, str(text or ""))
    ]


async def _doubts_about_drop(redis: "Redis", keys: DropKeys, row: Row) -> list[str]:
    match row:
        case Adjusted(adjust_id=adjust_id, delta=delta):
            found = await _field(redis, keys, f"adjust:{adjust_id}")
            if found != str(delta):
                return [f"the adjustment {adjust_id} of {delta} is {found} in Redis"]
        case TakenBack(take_id=take_id):
            mark = f"{row.rid}|{row.quantity}|{row.fate}"
            found = await _field(redis, keys, f"taken:{take_id}")
            if found != mark:
                return [f"what came back as {take_id} is {found} in Redis, not {mark}"]
        case Opened(terms=terms):
            found = await _field(redis, keys, "opened_as")
            if found != terms.text:
                return [f"the drop was opened with the terms {found} in Redis"]
    return []


async def _field(redis: "Redis", keys: DropKeys, name: str) -> str:
    return _shown(await redis.hget(keys.drop, name))


def _shown(found: object) -> str:
    return "not there" if found is None else str(found)


def _agrees(row: Claiming, text: str) -> bool:
    try:
        record = unpack_reservation(row.rid, text)
    except (ValueError, KeyError):
        return False  # missing, or changed by hand
    if isinstance(row, TakenBack):  # of some units
        is_sold = record.state is HoldState.SOLD and row.buyer_id == record.buyer_id
        return is_sold and row.quantity <= record.quantity
    if (row.buyer_id, row.quantity) != (record.buyer_id, record.quantity):
        return False
    match row:
        case Reserved():
            return (row.price_fen, row.expires_ms) == (record.price_fen, record.expires_ms)
        case Ended():
            return record.state is not HoldState.HELD
        case Granted():
            return record.state is HoldState.SOLD and not record.amount_fen
        case Confirmed():
            return row.payment_id == record.paid_by or row.payment_id in record.refunds
