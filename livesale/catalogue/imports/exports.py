"""Goods and moves of stock as csv, in pages."""

from sqlalchemy import select

from livesale.catalogue.attributes import Attribute, read_attributes
from livesale.catalogue.imports.columns import COLUMNS
from livesale.catalogue.products.tables import products
from livesale.catalogue.stock_moves import store as moves
from livesale.catalogue.stock_moves.store import Move
from livesale.catalogue.tables import skus
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.spreadsheets.writing import Cell, write_csv

PAGE = 5_000
GOODS = (
    *("product", "title", "code", "sku_title", "price", "list_price", "list_price_base"),
    *("category", "attributes", "sku_attributes", "status", "safety_stock"),
)
_MOVE = tuple(Move.__struct_fields__)


class Exports:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def goods(self, after: str) -> tuple[bytes, str | None]:
        """SKUs with their products, the oldest first, in the columns of an import; and the `after`
        of the next page."""
        s, p = skus.c, products.c
        query = (
            select(
                *(s.sku_id, p.code, p.title, s.code, s.title, s.price_fen, p.list_price_fen),
                *(p.list_price_base, p.category, p.attributes, s.attributes, p.status),
                *(s.safety_stock, s.on_hand, s.in_drops),
            )
            .select_from(skus.outerjoin(products, p.product_id == s.product_id))
            .where(s.sku_id > after)
            .order_by(s.sku_id)
            .limit(PAGE)
        )
        async with session(self._sql) as connection:
            found = (await connection.execute(query)).all()
        rows: list[list[Cell]] = []
        for row in found:
            own = row[2] if row[2] is not None else row[4]  # the SKU's, where it has no product
            rows.append(
                [
                    *(row[1], own, row[3], row[4], _yuan(row[5]), _yuan(row[6]), row[7], row[8]),
                    *(_pairs(row[9]), _pairs(row[10]), row[11], row[12]),
                    *(row[0], row[13], row[13] - row[14]),
                ]
            )
        columns = [COLUMNS[key][0] for key in GOODS] + ["sku_id", "on_hand", "free"]
        return write_csv(columns, rows), found[-1][0] if len(found) == PAGE else None

    async def stock_moves(self, after: str, sku_id: str) -> tuple[bytes, str | None]:
        """Moves, the newest first; and the `after` of the next page."""
        async with session(self._sql) as connection:
            found = await moves.list_moves(
                connection,
                before=key_of(after),
                limit=PAGE,
                sku_id=sku_id,
            )
        rows = [[getattr(move, name) for name in _MOVE] for move in found]
        cursor = next_cursor(found, PAGE, lambda move: (move.at_ms, move.move_id))
        return write_csv(_MOVE, rows), cursor


def _yuan(fen: int | None) -> str:
    return "" if fen is None else f"{fen // 100}.{fen % 100:02d}"


def _pairs(text: str | None) -> str:
    found: list[Attribute] = read_attributes(text)
    return "; ".join(f"{one.name}={one.value}" for one in found)
