"""Moves of stock, and what each drop has of it."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Id, Rid, State, Table, metadata

# One row for each move; never changed. The sums of both deltas are in `skus`, kept by the same
# transaction. `move_id` says what caused the move, so that a cause moves stock once.
stock_moves = Table(
    "stock_moves",
    metadata,
    Column("move_id", String(80), primary_key=True),
    Column("sku_id", Id, nullable=False),
    Column("kind", State, nullable=False),  # livesale.catalogue.stock_moves.kinds
    Column("units", BigInteger, nullable=False),
    Column("on_hand", BigInteger, nullable=False),  # delta of the units that are here
    Column("in_drops", BigInteger, nullable=False),  # delta of those that are given to drops
    Column("drop_id", Id, nullable=True),
    Column("order_id", Rid, nullable=True),
    Column("note", String(200), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("stock_moves_by_sku", "sku_id", "at_ms", "move_id"),
    Index("stock_moves_by_time", "at_ms", "move_id"),
    Index("stock_moves_by_drop", "drop_id"),
)

# One row for each drop of a SKU that keeps stock, from its opening on: sums of the drop's moves.
drop_stock = Table(
    "drop_stock",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("sku_id", Id, nullable=False),
    Column("given", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("scrapped", BigInteger, nullable=False),
    Column("shipped", BigInteger, nullable=False),
    Column("steps", Integer, nullable=False),  # moves that followed the books
    Column("settled_ms", BigInteger, nullable=True),  # when its books were final
    Index("drop_stock_by_settled", "settled_ms", "drop_id"),
)

# Restocks of drops of such SKUs: `asked` while Redis may or may not have done it.
drop_restocks = Table(
    "drop_restocks",
    metadata,
    Column("restock_id", String(64), primary_key=True),  # the `adjust_id`
    Column("drop_id", Id, nullable=False),
    Column("delta", BigInteger, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("state", State, nullable=False),  # asked, done, undone
    Column("created_ms", BigInteger, nullable=False),
    Index("drop_restocks_by_state", "state", "created_ms"),
)
