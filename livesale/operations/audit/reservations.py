"""I4 and I6: every reservation is an order in the same state, and no order lacks a reservation.

The check scans reservations in Redis and reads their orders from SQL page by page, so memory stays
small. A scan is not one instant: it checks differences again, exactly, until they agree or the
attempts are used up. Counts at one instant show that there are no other orders.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import snapshot, transaction
from livesale.database.ranges import portions
from livesale.ledger import rows as ledger
from livesale.ledger.check import CannotCheck, Check, verdict
from livesale.ledger.instant import Behind, Instant
from livesale.ledger.tables import orders
from livesale.ledger.unread import LogTrimmed, read_tail
from livesale.ledger.wrong_rows import OrderSums, order_sums, orders_off_books, strange_orders
from livesale.printing.wording import counted
from livesale.resources import Deployment
from stock.errors import LogTooNew
from stock.ids import drop_of
from stock.log import LogReader
from stock.model import HoldState, Reservation
from stock.records import unpack_reservation

I4 = ("I4", "every reservation in Redis is an order in the same state")
I6 = ("I6", "no order without a reservation")

PAGE = 1_000
MAX_DIFFERENCES = 20_000
ATTEMPTS = 20
PAUSE_S = 0.1

# state, buyer_id, quantity, amount_fen, expires_ms
Facts = tuple[str, str, int, int, int]


async def check_reservations(deployment: Deployment, reader: "Redis", instant: Instant) -> Check:
    """I4, for every drop that is still in Redis."""
    different: list[str] = []
    seen = 0
    for view in instant.drops.values():
        instant.progress.advance()
        if view.snapshot is None:
            continue
        async for page in _scan(deployment, reader, view.drop_id):
            seen += len(page)
            different += await _differing(deployment, instant.behind, page)
            if len(different) > MAX_DIFFERENCES:
                raise CannotCheck(f"more than {MAX_DIFFERENCES} reservations differ from SQL")
    broken = await _recheck(deployment, reader, different)
    return verdict(*I4, broken, counted(seen, "reservation"))


async def check_orders(connection: AsyncConnection, instant: Instant) -> Check:
    """I6: at one instant, SQL has no more orders, nor more units held or sold, than Redis.

    For a drop that has left Redis, SQL's orders match its books.
    """
    sums: dict[str, OrderSums] = {}
    for some in portions(instant.some):
        sums |= await order_sums(connection, some)
        instant.progress.advance(len(some or instant.drops))
    broken = await strange_orders(connection) if instant.full else []
    for view in instant.drops.values():
        found = sums.get(view.drop_id, OrderSums())
        if view.snapshot is None:
            if view.sql_books is not None:
                broken += orders_off_books(view.drop_id, found, view.sql_books)
            continue
        count = found.count + view.reserved
        if count > view.snapshot.reservations:
            broken.append(
                f"{view.drop_id}: {count} orders, {view.snapshot.reservations} reservations"
            )
        for state, units, limit in (
            (HoldState.HELD, found.held + view.moved.held, view.snapshot.held),
            (HoldState.SOLD, found.sold + view.moved.sold, view.snapshot.sold),
        ):
            if units > limit:
                broken.append(f"{view.drop_id}: {units} units {state} in SQL, {limit} in Redis")
    total = sum(found.count for found in sums.values())
    return verdict(*I6, broken, f"{counted(total, 'order')}{instant.besides}")


async def _scan(
    deployment: Deployment, reader: "Redis", drop_id: str
) -> AsyncIterator[dict[str, Facts]]:
    key = deployment.keyspace.of_drop(drop_id).reservations
    cursor = 0
    while True:
        reply: Any = await reader.hscan(key, cursor, count=PAGE)
        cursor, found = reply
        if found:
            yield {rid: _read(rid, text) for rid, text in found.items()}
        if cursor == 0:
            return


def _read(rid: str, text: str) -> Facts:
    """A record in Redis; an unreadable one equals no order, so the check reports it."""
    try:
        return _facts(unpack_reservation(rid, text))
    except (ValueError, KeyError):
        return ("unreadable", ascii(text[:80]), 0, 0, 0)


def _facts(claim: Reservation) -> Facts:
    return (claim.state.value, claim.buyer_id, claim.quantity, claim.amount_fen, claim.expires_ms)


async def _differing(
    deployment: Deployment, behind: Behind, page: Mapping[str, Facts]
) -> list[str]:
    """The rids of a page whose order differs from Redis, maybe only for a moment."""
    async with transaction(deployment.sql, write=False) as connection:
        found = await _look_up(connection, list(page))
    return [
        rid
        for rid, facts in page.items()
        if found.get(rid) != facts and _with_log(rid, found, behind) != facts
    ]


async def _look_up(connection: AsyncConnection, rids: list[str]) -> dict[str, Facts]:
    o = orders.c
    query = select(o.order_id, o.state, o.buyer_id, o.quantity, o.amount_fen, o.expires_ms).where(
        o.order_id.in_(rids)
    )
    return {
        order_id: (state, buyer_id, quantity, amount_fen, expires_ms)
        for order_id, state, buyer_id, quantity, amount_fen, expires_ms in (
            await connection.execute(query)
        )
    }


def _with_log(rid: str, found: Mapping[str, Facts], behind: Behind) -> Facts | None:
    """An order in SQL, after applying the rest of the log."""
    facts, state = found.get(rid), behind.states.get(rid)
    if facts is None and rid in behind.reserved:
        facts = _facts(behind.reserved[rid])
    return facts if facts is None or state is None else (state, *facts[1:])


async def _recheck(deployment: Deployment, reader: "Redis", rids: list[str]) -> list[str]:
    """Check the differences again, now with the rest of the log; what still differs is broken.

    A reservation changes only a few times, so a healthy one agrees soon.
    """
    broken: dict[str, str] = {}
    for attempt in range(ATTEMPTS):
        if not rids:
            return []
        if attempt:
            await asyncio.sleep(PAUSE_S)
        broken = {}
        for start in range(0, len(rids), PAGE):
            try:
                broken |= await _compare(deployment, reader, rids[start : start + PAGE])
            except LogTrimmed:
                broken |= dict.fromkeys(rids[start : start + PAGE], "the log changed too fast")
            except LogTooNew as end:
                broken |= dict.fromkeys(rids[start : start + PAGE], f"cannot be compared: {end}")
        rids = list(broken)
    return list(broken.values())


async def _compare(deployment: Deployment, reader: "Redis", rids: list[str]) -> dict[str, str]:
    """rid → fault, for those that differ."""
    by_drop: dict[str, list[str]] = {}
    for rid in rids:
        by_drop.setdefault(drop_of(rid), []).append(rid)
    broken: dict[str, str] = {}
    for drop_id, some in by_drop.items():
        keys = deployment.keyspace.of_drop(drop_id)
        packed = await reader.hmget(keys.reservations, some)
        async with snapshot(deployment.sql) as connection:
            place = await ledger.position(connection, deployment.keyspace.partition_of(drop_id))
            if place is None:
                raise CannotCheck(f"no row in log_offsets for the partition of {drop_id}")
            found = await _look_up(connection, some)
            last_id = (await LogReader(reader, keys.log).info()).last_id
            behind = Behind()
            async for entry in read_tail(reader, keys.log, place.offset, last_id):
                behind.add(entry)
        for rid, text in zip(some, packed, strict=True):
            redis = _read(rid, str(text)) if text else None
            sql = _with_log(rid, found, behind)
            if redis != sql:
                broken[rid] = f"{rid}: Redis has {_show(redis)}, SQL with the log {_show(sql)}"
    return broken


def _show(facts: Facts | None) -> str:
    return "nothing" if facts is None else " ".join(map(str, facts))
