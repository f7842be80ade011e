"""SKUs and campaigns."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Text, false

from livesale.database.tables import Id, Table, metadata

skus = Table(
    "skus",
    metadata,
    Column("sku_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("product_id", Id, nullable=True),
    Column("code", String(64), nullable=True),  # the shop's own
    Column("attributes", Text, nullable=True),  # JSON; null for none
    # Without it, the SKU sells what its drops say, and has no moves.
    Column("keeps_stock", Boolean, nullable=False, server_default=false()),
    Column("safety_stock", BigInteger, nullable=False, server_default="0"),
    # Sums of the moves: livesale.catalogue.stock_moves. Free are `on_hand` - `in_drops`.
    Column("on_hand", BigInteger, nullable=False, server_default="0"),
    Column("in_drops", BigInteger, nullable=False, server_default="0"),
    Column("updated_ms", BigInteger, nullable=False, server_default="0"),
    Index("skus_by_product", "product_id", "sku_id"),
    Index("skus_by_code", "code", unique=True),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("opens_ms", BigInteger, nullable=False),
    Column("closes_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # rises with each change
    # Units one buyer may have of all its drops; 0 for as many as the drops allow.
    Column("buyer_limit", Integer, nullable=False, server_default="0"),
    Index("campaigns_by_time", "opens_ms", "campaign_id"),
    Index("campaigns_by_end", "closes_ms"),
)
