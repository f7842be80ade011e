"""Writes the drops of a partition into Redis, from SQL, except archived ones."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import snapshot
from livesale.ledger.campaign_units import units_of
from livesale.ledger.tables import books, drops, orders, payments, stock_ledger
from livesale.operations.recovery.rebuild_line import rebuild_line
from livesale.resources import Deployment
from stock.errors import BooksBroken
from stock.model import Fate, HoldState, Reservation
from stock.records import pack_reservation
from stock.restorer import PAIRS, Restorer

_EXPIRED = 1 << 32  # a buyer's holdings as one integer: expired holds above, units below

Pair = tuple[str | int, str | int]


class Rebuilt(Struct):
    drops: int = 0
    orders: int = 0


async def rebuild(
    deployment: Deployment, partition: int, token: str, note: Callable[[Rebuilt], None]
) -> Rebuilt:
    """Write every drop, one after the other; calls `note` with the progress.

    Raises BooksBroken if SQL's books do not match its orders; and the same as `Restorer`.
    """
    restorer = Restorer(deployment.redis, deployment.keyspace)
    done = Rebuilt()
    async with snapshot(deployment.sql) as connection:
        query = (
            select(drops, books.c.allotted.label("present"))
            .add_columns(books.c.available, books.c.held, books.c.sold, books.c.burned)
            .select_from(drops.join(books, books.c.drop_id == drops.c.drop_id))
            .where(drops.c.partition == partition, drops.c.archived_ms.is_(None))
            .order_by(drops.c.drop_id)
        )
        rows = (await connection.execute(query)).all()
        counted: set[str] = set()
        for row in rows:
            if row.campaign_limit and row.campaign_id not in counted:
                counted.add(row.campaign_id)
                units = await units_of(connection, row.campaign_id)
                pairs: list[Pair] = [(f"{row.campaign_id}|{name}", n) for name, n in units.items()]
                await restorer.restore_pairs(row.drop_id, token, "campaign", pairs)
            await _rebuild_drop(connection, restorer, token, row, done, note)
            done.drops += 1
            note(done)
    return done


async def _rebuild_drop(
    connection: AsyncConnection,
    restorer: Restorer,
    token: str,
    drop: Any,
    done: Rebuilt,
    note: Callable[[Rebuilt], None],
) -> None:
    drop_id: str = drop.drop_id
    taken = await _taken_back(connection, drop_id)
    holdings: dict[str, int] = {}
    has_line = await rebuild_line(connection, restorer, token, drop_id, drop.opens_ms)
    used: dict[str, int] = {}  # by buyer: a turn in line that began before has been used
    count = held = sold = 0
    async for page in _claims(connection, drop_id):
        due: list[Pair] = []
        for claim in page:
            units = 0
            if claim.state is HoldState.HELD:
                held += claim.quantity
                due.append((claim.expires_ms, claim.rid))
                units = claim.quantity
            elif claim.state is HoldState.SOLD:
                units = claim.quantity - taken.units.get(claim.rid, 0)
                sold += units
            holdings[claim.buyer_id] = holdings.get(claim.buyer_id, 0) + units
            if has_line:
                made_ms = claim.expires_ms - drop.hold_ms
                used[claim.buyer_id] = max(used.get(claim.buyer_id, 0), made_ms * 1_000 + 999)
        packed: list[Pair] = [(claim.rid, pack_reservation(claim)) for claim in page]
        await restorer.restore_pairs(drop_id, token, "reservations", packed)
        await restorer.restore_pairs(drop_id, token, "due", due)
        count += len(page)
        done.orders += len(page)
        note(done)
    if (held, sold) != (drop.held, drop.sold):
        raise BooksBroken(
            f"{drop_id}: its orders add up to {held} held and {sold} sold, its books in SQL say "
            f"{drop.held} and {drop.sold}"
        )
    async for buyer_id in _expiries(connection, drop_id):
        holdings[buyer_id] += _EXPIRED
    buyers: list[Pair] = [
        (name, _holdings_text(packed, used.get(name, 0))) for name, packed in holdings.items()
    ]
    await restorer.restore_pairs(drop_id, token, "buyers", buyers)
    if drop.state != "closed":
        await restorer.restore_pairs(drop_id, token, "due", [(drop.closes_ms, drop_id)])
    adjusted = await _adjustments(connection, drop_id) + taken.fields()
    await restorer.restore_pairs(drop_id, token, "adjustments", adjusted)
    await restorer.restore_pairs(
        drop_id,
        token,
        "drop",
        _fields(drop),
        reservations=count,
        buyers=len(holdings),
        adjustments=len(adjusted),
    )


def _fields(drop: Any) -> list[Pair]:
    terms = ("opens_ms", "closes_ms", "hold_ms", "buyer_limit", "price_fen")
    opened = [*(getattr(drop, name) for name in terms), drop.allotted, drop.expired_limit]
    campaign = f"{drop.campaign_id}|{drop.campaign_limit}" if drop.campaign_limit else ""
    if campaign:
        opened += [int(drop.ticket_required), campaign]
    elif drop.ticket_required:
        opened.append(1)
    counters = ("available", "held", "sold", "burned")
    return [
        ("state", drop.state),
        *((name, getattr(drop, name)) for name in terms),
        ("expired_limit", drop.expired_limit),
        # Used tickets are unknown: the new epoch ends all tickets. With a line they follow from
        # the orders, because a turn outlives the epoch.
        ("tickets", int(drop.ticket_required)),
        ("opened_as", "|".join(map(str, opened))),
        ("allotted", drop.present),
        *((name, getattr(drop, name)) for name in counters),
        *([("campaign", campaign)] if campaign else []),
    ]


def _holdings_text(packed: int, used: int) -> str:
    expired, units = divmod(packed, _EXPIRED)
    if used > 0:
        return f"{units}|{expired}|{used}"
    return f"{units}|{expired}" if expired else str(units)


async def _claims(
    connection: AsyncConnection, drop_id: str
) -> AsyncIterator[Sequence[Reservation]]:
    """The drop's orders in Redis's form, by order_id, in pages."""
    order = orders.c
    names = ("order_id", "state", "buyer_id", "quantity", "price_fen", "expires_ms")
    # By the primary key, which begins with the drop's id: `.` is the character after `-`.
    last, end = f"{drop_id}-", f"{drop_id}."
    while True:
        query = (
            select(*[order[name] for name in names])
            .where(order.order_id > last, order.order_id < end)
            .order_by(order.order_id)
            .limit(PAIRS)
        )
        rows = (await connection.execute(query)).all()
        if not rows:
            return
        paid, refunds = await _payments(connection, [row.order_id for row in rows])
        yield [
            Reservation(
                row.order_id,
                HoldState(row.state),
                row.buyer_id,
                row.quantity,
                row.price_fen,
                row.expires_ms,
                paid.get(row.order_id, ""),
                tuple(refunds.get(row.order_id, ())),
            )
            for row in rows
        ]
        last = rows[-1].order_id


async def _payments(
    connection: AsyncConnection, order_ids: Sequence[str]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """For each order: the payment that bought it, and those to refund."""
    p = payments.c
    query = (
        select(p.order_id, p.payment_id, p.result)
        .where(p.order_id.in_(order_ids))
        .order_by(p.created_ms, p.payment_id)
    )
    paid: dict[str, str] = {}
    refunds: dict[str, list[str]] = {}
    for order_id, payment_id, result in await connection.execute(query):
        if result == "refund_due":
            refunds.setdefault(order_id, []).append(payment_id)
        elif result in ("sold", "late_sold"):  # a stray payment was never in Redis
            paid[order_id] = payment_id
    return paid, refunds


async def _expiries(connection: AsyncConnection, drop_id: str) -> AsyncIterator[str]:
    """The buyer of each expired hold of the drop, also if it was paid late."""
    moved = stock_ledger.c
    query = (
        select(orders.c.buyer_id)
        .select_from(stock_ledger.join(orders, orders.c.order_id == moved.order_id))
        .where(and_(moved.drop_id == drop_id, moved.kind == "expire"))
    )
    for (buyer_id,) in await connection.execute(query):
        yield buyer_id


async def _adjustments(connection: AsyncConnection, drop_id: str) -> list[Pair]:
    """Each restock or scrapping of the drop, once: needed to answer its retries."""
    moved = stock_ledger.c
    query = select(moved.adjust_id, moved.available).where(
        moved.drop_id == drop_id, moved.adjust_id.is_not(None), moved.kind != "take_back"
    )
    found = {f"adjust:{key}": delta for key, delta in await connection.execute(query)}
    return list(found.items())


class _Taken(Struct):
    """What came back of a drop: the units by rid, and the marks by id."""

    units: dict[str, int]
    marks: dict[str, str]

    def fields(self) -> list[Pair]:
        """As fields of the drop: lua/stock/take_back.lua."""
        found: list[Pair] = [(f"taken:{take_id}", mark) for take_id, mark in self.marks.items()]
        return found + [(f"back:{rid}", units) for rid, units in self.units.items()]


async def _taken_back(connection: AsyncConnection, drop_id: str) -> _Taken:
    moved = stock_ledger.c
    query = select(moved.adjust_id, moved.order_id, moved.sold, moved.available).where(
        moved.drop_id == drop_id, moved.kind == "take_back"
    )
    found = _Taken({}, {})
    for take_id, rid, sold, available in await connection.execute(query):
        fate = Fate.AVAILABLE if available else Fate.BURNED
        found.marks[take_id] = f"{rid}|{-sold}|{fate}"
        found.units[rid] = found.units.get(rid, 0) - sold
    return found
