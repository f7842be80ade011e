"""Short codes of rooms."""

from sqlalchemy import BigInteger, Column, Index, String

from livesale.database.tables import Id, Table, metadata

# One code for each room; it never changes.
shares = Table(
    "shares",
    metadata,
    Column("code", String(12), primary_key=True),
    Column("room_id", Id, nullable=False),
    Column("picture_id", String(32), nullable=True),  # of the mini-program's code, once it was made
    Column("created_ms", BigInteger, nullable=False),
    Index("shares_by_room", "room_id", unique=True),
)
