"""Mutes and bans."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import BuyerId, Id, State, Table, metadata

# Mutes and bans of each room. `rooms.bars_version` rises with each change.
room_bars = Table(
    "room_bars",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("kind", State, primary_key=True),  # livesale.rooms.states.BarKind
    Column("until_ms", BigInteger, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("barred_by", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
