"""Puts the rows of imports into the catalogue, one by one, in the keeper's process.

A row is one transaction: its product, its SKU, its stock, and that it is done. So a keeper that
is killed leaves no half of a row, and the next one goes on behind the last. A bad row keeps its
reason.
"""

import asyncio

from msgspec import structs
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.imports import store
from livesale.catalogue.imports.columns import BadRow, GoodsRow, read_columns, read_row
from livesale.catalogue.imports.store import BAD, GOOD, WAITING, ImportRow
from livesale.catalogue.products import service as products
from livesale.catalogue.products import shown
from livesale.catalogue.products import store as product_store
from livesale.catalogue.skus import service as skus
from livesale.catalogue.skus.store import Sku
from livesale.catalogue.stock_moves import store as stock_store
from livesale.catalogue.stock_moves.kinds import MoveKind, deltas_of
from livesale.catalogue.stock_moves.store import Cause
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks import Tasks
from livesale.validation.refusals import SalesFault

LOOK_S = 1.0
PAGE = 100


class ImportMetrics:
    """Metrics of the keeper of imports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "livesale_import_rows_total",
            "Rows of imports that are done: good, or bad",
            ["state"],
            registry=registry,
        )


class ImportKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        self._metrics = ImportMetrics(registry or CollectorRegistry())
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        self._stop = stop
        async with Tasks(stop) as tasks:
            tasks.repeat("goods: import", self.step)

    async def step(self) -> float:
        """A page of rows of each import that waits; seconds until the next step."""
        async with session(self._sql) as connection:
            waiting = await store.waiting_imports(connection, PAGE)
        for import_id in waiting:
            await self._take_page(import_id)
        return 0.0 if waiting else LOOK_S

    async def _take_page(self, import_id: str) -> None:
        async with session(self._sql) as connection:
            found = await store.find_import(connection, import_id)
            rows = await store.rows_of(connection, import_id, state=WAITING, limit=PAGE)
        assert found is not None  # noqa: S101  imports are never deleted
        keys = read_columns(found.columns)
        for row in rows:
            if self._stop.is_set():
                return
            await self._take(import_id, keys, row, found.actor)
        if not rows:
            async with session(self._sql, write=True) as connection:
                await store.end_import(connection, import_id, now_ms())

    async def _take(self, import_id: str, keys: list[str], row: ImportRow, actor: str) -> None:
        """Put one row in, or note why not."""
        try:
            goods = read_row(keys, row.cells)
            async with session(self._sql, write=True) as connection:
                if not await store.lock_import(connection, import_id):
                    return
                sku = await _put_in(connection, goods, f"import|{import_id}|{row.row}", actor)
                if not await store.settle_row(
                    connection,
                    import_id,
                    row.row,
                    GOOD,
                    product_id=sku.product_id,
                    sku_id=sku.sku_id,
                ):
                    raise _Taken
        except _Taken:
            return  # another keeper was faster; what we did is rolled back
        except (BadRow, SalesFault) as why:
            async with session(self._sql, write=True) as connection:
                if await store.settle_row(connection, import_id, row.row, BAD, reason=_say(why)):
                    self._metrics.rows.labels(BAD).inc()
        else:
            self._metrics.rows.labels(GOOD).inc()


class _Taken(Exception):
    """Another keeper did this row."""


async def _put_in(connection: AsyncConnection, goods: GoodsRow, move_id: str, actor: str) -> Sku:
    """A row's product, unless it exists; its SKU, and the units of it. Raises SalesFault."""
    code = goods.product.code
    known = await product_store.find_by_code(connection, code) if code else None
    if known is None:
        product = products.product_of(goods.product)
        sku = skus.sku_of(goods.sku, product.product_id)
        await products.add(connection, product, [sku])
    else:
        if known.title != goods.product.title:
            raise BadRow(f"The product {code} exists, and its title is {known.title}.")
        await shown.lock_for_sku(connection, known.product_id)
        sku = skus.sku_of(goods.sku, known.product_id)
        await skus.add(connection, sku)
        await shown.sku_changed(connection, sku)
    if goods.stock:
        stock = await stock_store.lock_stock(connection, sku.sku_id)
        assert stock is not None  # noqa: S101  it was just made
        deltas = deltas_of(MoveKind.RECEIVED, goods.stock, of_drop=False)
        cause = Cause(move_id=move_id, at_ms=now_ms(), note="import", actor=actor)
        await stock_store.post(connection, stock, MoveKind.RECEIVED, goods.stock, deltas, cause)
    return structs.replace(sku, on_hand=goods.stock or 0)


def _say(why: Exception) -> str:
    if isinstance(why, SalesFault):
        field = why.members.get("field")
        return f"{field}: {why.detail}" if field else why.detail
    return str(why)
