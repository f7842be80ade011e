"""Products, pictures, imports, stock of SKUs, and alerts."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from livesale.database.migrations import steps

revision = "0016_catalogue"
down_revision = "0015_after_sale"
branch_labels = None
depends_on = None


def _text(name: str, length: int, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=null)


def _payload(name: str) -> sa.Column[Any]:
    kind = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    return sa.Column(name, kind, nullable=False)


def _big(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    _extend_skus()
    _make_products()
    _make_imports()
    _make_stock()
    _make_alerts()


def _extend_skus() -> None:
    for column in (
        _text("product_id", 15, null=True),
        _text("code", 64, null=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("keeps_stock", sa.Boolean(), nullable=False, server_default=sa.false()),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            for name in ("safety_stock", "on_hand", "in_drops", "updated_ms")
        ),
    ):
        steps.add_column("skus", column)
    steps.create_index("skus_by_product", "skus", ["product_id", "sku_id"])
    steps.create_index("skus_by_code", "skus", ["code"], unique=True)
    steps.create_index("drops_by_sku", "drops", ["sku_id", "drop_id"])


def _make_products() -> None:
    steps.create_table(
        "products",
        _text("product_id", 15, key=True),
        _text("code", 64, null=True),
        _text("title", 200),
        _payload("description"),
        _payload("attributes"),
        _payload("pictures"),
        _text("category", 200),
        _text("status", 12),
        _big("list_price_fen", null=True),
        _text("list_price_base", 200),
        _number("version"),
        _big("created_ms"),
        _big("updated_ms"),
    )
    steps.create_index("products_by_code", "products", ["code"], unique=True)
    steps.create_index("products_by_change", "products", ["updated_ms", "product_id"])
    steps.create_index("products_by_status", "products", ["status", "product_id"])
    steps.create_index("products_by_category", "products", ["category", "product_id"])
    steps.create_table(
        "categories",
        _text("category_id", 15, key=True),
        _text("path", 200),
        _text("title", 200),
        _number("position"),
        _big("created_ms"),
    )
    steps.create_index("categories_by_path", "categories", ["path"], unique=True)
    steps.create_table(
        "asked_prices",
        _text("sku_id", 15, key=True),
        _key("since_ms", sa.BigInteger()),
        _big("price_fen"),
        _big("until_ms", null=True),
    )
    steps.create_table(
        "pictures",
        _text("picture_id", 32, key=True),
        _number("width"),
        _number("height"),
        _payload("files"),
        _text("actor", 80),
        _big("created_ms"),
    )
    steps.create_index("pictures_by_time", "pictures", ["created_ms", "picture_id"])


def _make_imports() -> None:
    steps.create_table(
        "imports",
        _text("import_id", 15, key=True),
        _text("request_id", 64),
        _text("digest", 64),
        _text("name", 200),
        _text("state", 12),
        _payload("columns"),
        _number("rows"),
        _text("actor", 80),
        _big("created_ms"),
        _big("ended_ms", null=True),
    )
    steps.create_index("imports_by_request", "imports", ["request_id"], unique=True)
    steps.create_index("imports_by_state", "imports", ["state", "import_id"])
    steps.create_table(
        "import_rows",
        _text("import_id", 15, key=True),
        _key("row", sa.Integer()),
        _payload("cells"),
        _text("state", 12),
        _text("reason", 500),
        _text("product_id", 15, null=True),
        _text("sku_id", 15, null=True),
    )
    steps.create_index("import_rows_by_state", "import_rows", ["import_id", "state", "row"])


def _make_stock() -> None:
    steps.create_table(
        "stock_moves",
        _text("move_id", 80, key=True),
        _text("sku_id", 15),
        _text("kind", 12),
        _big("units"),
        _big("on_hand"),
        _big("in_drops"),
        _text("drop_id", 15, null=True),
        _text("order_id", 32, null=True),
        _text("note", 200),
        _text("actor", 80),
        _big("at_ms"),
    )
    steps.create_index("stock_moves_by_sku", "stock_moves", ["sku_id", "at_ms", "move_id"])
    steps.create_index("stock_moves_by_time", "stock_moves", ["at_ms", "move_id"])
    steps.create_index("stock_moves_by_drop", "stock_moves", ["drop_id"])
    steps.create_table(
        "drop_stock",
        _text("drop_id", 15, key=True),
        _text("sku_id", 15),
        _big("given"),
        _big("returned"),
        _big("scrapped"),
        _big("shipped"),
        _number("steps"),
        _big("settled_ms", null=True),
    )
    steps.create_index("drop_stock_by_settled", "drop_stock", ["settled_ms", "drop_id"])
    steps.create_table(
        "drop_restocks",
        _text("restock_id", 64, key=True),
        _text("drop_id", 15),
        _big("delta"),
        _text("reason", 200),
        _text("state", 12),
        _big("created_ms"),
    )
    steps.create_index("drop_restocks_by_state", "drop_restocks", ["state", "created_ms"])


def _make_alerts() -> None:
    steps.create_table(
        "alerts",
        _text("alert_id", 15, key=True),
        _text("kind", 32),
        _text("object_id", 80),
        _text("title", 300),
        _payload("facts"),
        _big("at_ms"),
        _big("ended_ms", null=True),
        _text("hook_state", 12),
        _number("hook_tries"),
        _big("hook_next_ms"),
        _text("hook_error", 200),
    )
    steps.create_index("alerts_by_object", "alerts", ["object_id", "kind", "ended_ms"])
    steps.create_index("alerts_by_hook", "alerts", ["hook_state", "hook_next_ms"])
