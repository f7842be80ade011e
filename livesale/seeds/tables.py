"""What this database was seeded with, and who seeds it now."""

from sqlalchemy import BigInteger, Column, String

from livesale.database.tables import State, Table, metadata

# One row: its states are `begun` and `done`. `holder` works on it until `until_ms`.
seeds = Table(
    "seeds",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("state", State, nullable=False),
    Column("holder", String(32), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
)
