"""The stored numbers of rooms."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Table, metadata

# The counts of a room by name: entered, opened, item:<id>, likes, peak. One row for each run of
# counts in Redis, with the id `born`: a second run means that Redis lost the first. Sales are in
# `orders`.
room_tallies = Table(
    "room_tallies",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("born", String(16), primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# The same counts at the end of each minute with a change, and the most viewers (online).
room_minutes = Table(
    "room_minutes",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

# Rooms with counts; `closed` after the final write, when the room has ended.
room_records = Table(
    "room_records",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("room_records_by_closed", "closed", "room_id"),
)
