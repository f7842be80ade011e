"""Products and their categories."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Id, Payload, State, Table, metadata

products = Table(
    "products",
    metadata,
    Column("product_id", Id, primary_key=True),
    Column("code", String(64), nullable=True),  # the shop's own
    Column("title", String(200), nullable=False),
    Column("description", Payload, nullable=False),  # Markdown
    Column("attributes", Payload, nullable=False),  # JSON
    Column("pictures", Payload, nullable=False),  # JSON
    Column("category", String(200), nullable=False),  # a path, or empty
    Column("status", State, nullable=False),  # draft, on_sale, archived
    Column("list_price_fen", BigInteger, nullable=True),
    Column("list_price_base", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("products_by_code", "code", unique=True),
    Index("products_by_change", "updated_ms", "product_id"),
    Index("products_by_status", "status", "product_id"),
    Index("products_by_category", "category", "product_id"),
)

categories = Table(
    "categories",
    metadata,
    Column("category_id", Id, primary_key=True),
    Column("path", String(200), nullable=False),
    Column("title", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("categories_by_path", "path", unique=True),
)

# When a price of a SKU was shown to everybody. `until_ms` is null while it is.
asked_prices = Table(
    "asked_prices",
    metadata,
    Column("sku_id", Id, primary_key=True),
    Column("since_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=True),
)
