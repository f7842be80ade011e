"""Buyers, and which provider knows them."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import BuyerId, State, Table, metadata

buyers = Table(
    "buyers",
    metadata,
    Column("buyer_id", BuyerId, primary_key=True),
    Column("provider", State, nullable=False),
    Column("subject", String(128), nullable=False),  # WeChat's openid: for payments, never logged
    Column("created_ms", BigInteger, nullable=False),
)
