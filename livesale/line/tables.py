"""Buyers who work for the shop. The tables of lines are the writer's: livesale.ledger."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import BuyerId, Table, metadata

insiders = Table(
    "insiders",
    metadata,
    Column("buyer_id", BuyerId, primary_key=True),
    Column("note", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
