"""The streams of rooms."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Table, metadata

# The stream of each room, from media servers. A room without a row never had one.
room_streams = Table(
    "room_streams",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("key_number", BigInteger, nullable=False),  # publish keys must have this number
    Column("session", String(160), nullable=True),  # named by the media server; empty: no stream
    Column("began_ms", BigInteger, nullable=True),
    Column("seen_ms", BigInteger, nullable=True),  # time of the last hook
    Column("silent", Boolean, nullable=False),  # no hooks, so the room was paused
    Column("last_session", String(160), nullable=True),  # the last ended session, and its end
    Column("last_ms", BigInteger, nullable=True),
    Index("room_streams_by_seen", "silent", "seen_ms"),
)
