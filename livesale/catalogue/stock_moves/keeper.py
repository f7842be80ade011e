"""Follows the books of drops: what they return, scrap and get moves the stock of their SKUs.

The writer moves the log into the books; this reads them. Each step compares a drop's books with the
sums of its moves, and moves the difference, in one transaction under the lock of the SKU. So any
number of keepers may run, one may be killed anywhere, and each unit moves once.
"""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.stock_moves import drops as drop_moves
from livesale.catalogue.stock_moves import store
from livesale.catalogue.stock_moves.drops import Restock
from livesale.catalogue.stock_moves.kinds import MoveKind, deltas_of
from livesale.catalogue.stock_moves.store import Cause, DropStock, SkuStock
from livesale.catalogue.stock_moves.tables import drop_stock
from livesale.catalogue.tables import skus
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger.rows import is_adjusted
from livesale.ledger.tables import books, drops
from livesale.resources import Deployment
from livesale.tasks import Tasks, note_fault
from stock.books import Books
from stock.model import AdjustCode, DropState

LOOK_S = 1.0
PAGE = 200
CUT_MS = 10_000  # a restock that is not settled for this long: its process ended


class StockMetrics:
    """Metrics of the keeper of stock."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.short = Gauge(
            "livesale_stock_short", "SKUs of which more is given than there is", registry=registry
        )
        self.moved = Counter(
            "livesale_stock_followed_total",
            "Moves that followed the books of drops, by kind",
            ["kind"],
            registry=registry,
        )


class StockKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._metrics = StockMetrics(registry or CollectorRegistry())

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("stock: follow", self.step)

    async def step(self) -> float:
        """One look at all drops; seconds until the next."""
        async with session(self._sql) as connection:
            cut = await drop_moves.asked_restocks(connection, now_ms() - CUT_MS, PAGE)
            changed = await _changed(connection)
            short = select(func.count()).where(skus.c.keeps_stock, skus.c.on_hand < skus.c.in_drops)
            self._metrics.short.set(await connection.scalar(short) or 0)
        for restock in cut:
            try:
                await self._finish(restock)
            except Exception as fault:  # continue with the others
                note_fault("stock: restock", fault, about=restock.restock_id)
        for drop_id in changed:
            try:
                await self.follow(drop_id)
            except Exception as fault:
                note_fault("stock: drop", fault, about=drop_id)
        return LOOK_S if len(changed) < PAGE else 0.0

    async def follow(self, drop_id: str) -> None:
        """Move what the books of a drop say and its moves do not."""
        async with session(self._sql, write=True) as connection:
            drop = await store.find_drop_stock(connection, drop_id)
            stock = await store.lock_stock(connection, drop.sku_id) if drop else None
            drop = await store.find_drop_stock(connection, drop_id)  # now nobody changes it
            if drop is None or stock is None:
                return
            kinds = await _follow(connection, drop, stock)
        for kind in kinds:
            self._metrics.moved.labels(kind).inc()

    async def _finish(self, restock: Restock) -> None:
        """Do a restock that was cut, as its operator asked: Redis does it once."""
        code, _ = await self._engine.adjust_drop(
            restock.drop_id, restock.restock_id, restock.delta, restock.reason
        )
        if code is AdjustCode.FENCED:
            return
        async with session(self._sql, write=True) as connection:
            done = code in (AdjustCode.ADJUSTED, AdjustCode.REPLAYED)
            if code is AdjustCode.UNKNOWN_DROP:  # it may have been done before it was archived
                done = await is_adjusted(connection, restock.drop_id, restock.restock_id)
            await drop_moves.settle_restock(connection, restock, done=done, at_ms=now_ms())


async def _changed(connection: AsyncConnection) -> list[str]:
    """Drops whose books say something that their moves do not, or that are final."""
    is_closed = drops.c.state == DropState.CLOSED
    query = (
        select(drop_stock.c.drop_id)
        .join(books, books.c.drop_id == drop_stock.c.drop_id)
        .join(drops, drops.c.drop_id == drop_stock.c.drop_id)
        .where(
            drop_stock.c.settled_ms.is_(None),
            or_(
                books.c.allotted > drop_stock.c.given,
                books.c.burned > drop_stock.c.scrapped,
                and_(is_closed, books.c.available != drop_stock.c.returned),
                drops.c.archived_ms.is_not(None),
            ),
        )
        .order_by(drop_stock.c.drop_id)
        .limit(PAGE)
    )
    found = list((await connection.scalars(query)).all())
    # Late money, or units that are taken back: the books of a settled drop have changed.
    again = (
        select(drop_stock.c.drop_id)
        .join(books, books.c.drop_id == drop_stock.c.drop_id)
        .where(
            books.c.sealed_ms.is_(None),
            drop_stock.c.settled_ms.is_not(None),
            or_(
                books.c.burned > drop_stock.c.scrapped,
                books.c.available != drop_stock.c.returned,
            ),
        )
        .limit(PAGE)
    )
    return found + list((await connection.scalars(again)).all())


async def _follow(connection: AsyncConnection, drop: DropStock, stock: SkuStock) -> list[MoveKind]:
    """Under the lock of the SKU. Returns the kinds of the moves."""
    b = books.c
    row = (
        await connection.execute(
            select(
                *(b.allotted, b.available, b.held, b.sold, b.burned),
                *(drops.c.state, drops.c.archived_ms),
            )
            .join(drops, drops.c.drop_id == b.drop_id)
            .where(b.drop_id == drop.drop_id)
        )
    ).one()
    *counters, state, archived_ms = row
    found = Books(*counters)
    wanted = [
        (MoveKind.TO_DROP, found.allotted - drop.given, "given"),
        (MoveKind.SCRAPPED, found.burned - drop.scrapped, "scrapped"),
    ]
    if state == DropState.CLOSED:
        unsold = found.available - drop.returned
        wanted.append((MoveKind.FROM_DROP, unsold, "returned"))
        if unsold < 0:  # sold after all: money that came late
            wanted[-1] = (MoveKind.TO_DROP, -unsold, "late")
    kinds, at_ms, steps = [], now_ms(), drop.steps
    for kind, units, column in wanted:
        if units <= 0:
            continue
        steps += 1
        cause = Cause(move_id=f"follow|{drop.drop_id}|{steps}", at_ms=at_ms, drop_id=drop.drop_id)
        deltas = deltas_of(kind, units, of_drop=True)
        stock, _ = await store.post(connection, stock, kind, units, deltas, cause)
        change = {"returned": -units} if column == "late" else {column: units}
        await store.change_drop_stock(connection, drop.drop_id, steps=1, **change)
        kinds.append(kind)
    if not kinds and archived_ms is not None:
        await connection.execute(
            update(drop_stock)
            .where(drop_stock.c.drop_id == drop.drop_id, drop_stock.c.steps == drop.steps)
            .values(settled_ms=at_ms)
        )
    return kinds
