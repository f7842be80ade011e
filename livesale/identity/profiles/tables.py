"""What buyers want to be called, and how they look."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import BuyerId, Table, metadata

profiles = Table(
    "profiles",
    metadata,
    Column("buyer_id", BuyerId, primary_key=True),
    Column("nickname", String(64), nullable=True),
    Column("avatar_url", String(500), nullable=True),
    Column("changed_ms", BigInteger, nullable=False),
)
