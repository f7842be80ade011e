"""Moves of stock in SQL. Queries only.

A move locks its SKU first, so the moves of a SKU are in a line, and a sum never misses one.
"""

from typing import Any

from msgspec import Struct, structs
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.alerts.store import end_alert, raise_alert
from livesale.catalogue.stock_moves.kinds import Deltas, MoveKind
from livesale.catalogue.stock_moves.tables import drop_stock, stock_moves
from livesale.catalogue.tables import skus
from livesale.database.keyset import older
from livesale.validation.refusals import KeyConflict, StockRefused

LOW, SHORT = "stock_low", "stock_short"


class SkuStock(Struct, frozen=True):
    """Stock of a SKU. `on_hand` are here, `in_drops` of them are given to drops: for sale, held,
    or sold and not shipped. `free` is the rest; below 0, more was given than there is."""

    sku_id: str
    title: str
    keeps_stock: bool
    safety_stock: int
    on_hand: int
    in_drops: int
    free: int


class Move(Struct, frozen=True):
    """A move of stock. `on_hand` and `in_drops` are what it changed. `actor` is empty for the
    service itself."""

    move_id: str
    sku_id: str
    kind: MoveKind
    units: int
    on_hand: int
    in_drops: int
    drop_id: str | None
    order_id: str | None
    note: str
    actor: str
    at_ms: int


class Cause(Struct, frozen=True, kw_only=True):
    """Why units move. `move_id` is the same for the same cause."""

    move_id: str
    at_ms: int
    drop_id: str | None = None
    order_id: str | None = None
    note: str = ""
    actor: str = ""


class DropStock(Struct, frozen=True):
    """What a drop has of the stock of its SKU: sums of its moves."""

    drop_id: str
    sku_id: str
    given: int
    returned: int
    scrapped: int
    shipped: int
    steps: int


_STOCK = select(
    skus.c.sku_id,
    skus.c.title,
    skus.c.keeps_stock,
    skus.c.safety_stock,
    skus.c.on_hand,
    skus.c.in_drops,
    (skus.c.on_hand - skus.c.in_drops).label("free"),
)
_MOVE = select(*[stock_moves.c[name] for name in Move.__struct_fields__])
_DROP = select(*[drop_stock.c[name] for name in DropStock.__struct_fields__])


async def find_stock(connection: AsyncConnection, sku_id: str) -> SkuStock | None:
    row = (await connection.execute(_STOCK.where(skus.c.sku_id == sku_id))).first()
    return _stock(row) if row else None


async def lock_stock(connection: AsyncConnection, sku_id: str) -> SkuStock | None:
    """Locks the SKU until the end of the transaction: the first lock of every move."""
    query = _STOCK.where(skus.c.sku_id == sku_id).with_for_update()
    row = (await connection.execute(query)).first()
    return _stock(row) if row else None


async def find_move(connection: AsyncConnection, move_id: str) -> Move | None:
    row = (await connection.execute(_MOVE.where(stock_moves.c.move_id == move_id))).first()
    return _move(row) if row else None


async def post(
    connection: AsyncConnection,
    stock: SkuStock,
    kind: MoveKind,
    units: int,
    deltas: Deltas,
    cause: Cause,
    *,
    needs_free: bool = False,
) -> tuple[SkuStock, Move]:
    """Move units, once for each cause; returns the stock after it, and the move.

    `stock` is of `lock_stock`, in this transaction. Raises KeyConflict if the same cause moved
    something else, StockRefused (too_little_stock) with `needs_free`.
    """
    before = await find_move(connection, cause.move_id)
    if before is not None:
        if (before.sku_id, before.kind, before.units) != (stock.sku_id, kind, units):
            raise KeyConflict("This key was used for another move.")
        return stock, before
    if needs_free and stock.free < units:
        detail = f"Only {max(0, stock.free)} units of {stock.title} are free."
        raise StockRefused("too_little_stock", detail, available=max(0, stock.free))
    move = Move(
        cause.move_id,
        stock.sku_id,
        kind,
        units,
        deltas.on_hand,
        deltas.in_drops,
        cause.drop_id,
        cause.order_id,
        cause.note,
        cause.actor,
        cause.at_ms,
    )
    await connection.execute(insert(stock_moves), structs.asdict(move))
    await connection.execute(
        update(skus)
        .where(skus.c.sku_id == stock.sku_id)
        .values(on_hand=skus.c.on_hand + deltas.on_hand, in_drops=skus.c.in_drops + deltas.in_drops)
    )
    after = structs.replace(
        stock,
        on_hand=stock.on_hand + deltas.on_hand,
        in_drops=stock.in_drops + deltas.in_drops,
        free=stock.free + deltas.on_hand - deltas.in_drops,
    )
    await watch_level(connection, after, cause.at_ms)
    return after, move


async def watch_level(connection: AsyncConnection, stock: SkuStock, at_ms: int) -> None:
    """Raise or end the alerts of a SKU; it is locked."""
    is_low = stock.keeps_stock and 0 <= stock.free < stock.safety_stock
    is_short = stock.keeps_stock and stock.free < 0
    facts = {"sku_id": stock.sku_id, "free": stock.free, "safety_stock": stock.safety_stock}
    texts = {
        LOW: (is_low, f"{stock.title}: {stock.free} units are free, below {stock.safety_stock}"),
        SHORT: (is_short, f"{stock.title}: {-stock.free} units more are given than there are"),
    }
    for kind, (lasts, text) in texts.items():
        if lasts:
            await raise_alert(connection, kind, stock.sku_id, text, facts, at_ms)
        else:
            await end_alert(connection, kind, stock.sku_id, at_ms)


async def list_moves(
    connection: AsyncConnection,
    *,
    before: tuple[int, str] | None,
    limit: int,
    sku_id: str = "",
    drop_id: str = "",
    kind: str = "",
) -> list[Move]:
    """The newest first, after the key `before`."""
    at_ms, move_id = stock_moves.c.at_ms, stock_moves.c.move_id
    query = _MOVE.order_by(at_ms.desc(), move_id.desc()).limit(limit)
    if sku_id:
        query = query.where(stock_moves.c.sku_id == sku_id)
    if drop_id:
        query = query.where(stock_moves.c.drop_id == drop_id)
    if kind:
        query = query.where(stock_moves.c.kind == kind)
    if before:
        query = query.where(older(at_ms, move_id, before))
    return [_move(row) for row in await connection.execute(query)]


async def find_drop_stock(connection: AsyncConnection, drop_id: str) -> DropStock | None:
    row = (await connection.execute(_DROP.where(drop_stock.c.drop_id == drop_id))).first()
    return DropStock(*row) if row else None


async def add_drop_stock(connection: AsyncConnection, drop_id: str, sku_id: str) -> None:
    sums = dict.fromkeys(("given", "returned", "scrapped", "shipped", "steps"), 0)
    row = {"drop_id": drop_id, "sku_id": sku_id, "settled_ms": None, **sums}
    await connection.execute(insert(drop_stock), row)


async def change_drop_stock(connection: AsyncConnection, drop_id: str, **by: int) -> None:
    """Add to the sums of a drop. Its SKU is locked. What was settled is followed again."""
    changes: dict[str, Any] = {name: drop_stock.c[name] + units for name, units in by.items()}
    await connection.execute(
        update(drop_stock).where(drop_stock.c.drop_id == drop_id).values(**changes, settled_ms=None)
    )


def _stock(row: Any) -> SkuStock:
    return SkuStock(*row)


def _move(row: Any) -> Move:
    values = dict(zip(Move.__struct_fields__, row, strict=True))
    return Move(**{**values, "kind": MoveKind(values["kind"])})
