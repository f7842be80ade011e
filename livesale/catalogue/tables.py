"""SKUs and campaigns."""

from sqlalchemy import BigInteger, Column, Index, String

from livesale.database.tables import Id, Table, metadata

skus = Table(
    "skus",
    metadata,
    Column("sku_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("opens_ms", BigInteger, nullable=False),
    Column("closes_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("campaigns_by_time", "opens_ms", "campaign_id"),
    Index("campaigns_by_end", "closes_ms"),
)
