"""The table of what was made by a key."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import Rid, Table, metadata

# Kept for ever: there are as few as things that operators make.
creations = Table(
    "creations",
    metadata,
    Column("creation_key", String(32), primary_key=True),  # of the maker, the kind and the key
    Column("asked", String(32), nullable=False),  # hash of what was asked for
    Column("object_id", Rid, nullable=False),  # what was made
    Column("at_ms", BigInteger, nullable=False),
)
