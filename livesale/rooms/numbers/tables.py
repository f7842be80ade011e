"""The numbers of rooms, for good."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Table, metadata

# What was counted in a room, by what: entered, opened, item:<id>, likes, peak. A row for each run
# of counts in Redis, known by `born`: one, unless Redis lost them. Orders have what was sold.
room_tallies = Table(
    "room_tallies",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("born", String(16), primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# The same as it was in the end of each minute in which it changed, and the most viewers (online).
room_minutes = Table(
    "room_minutes",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

# Rooms whose counts are written down; `closed` when they were for the last time, behind the end.
room_records = Table(
    "room_records",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("room_records_by_closed", "closed", "room_id"),
)
