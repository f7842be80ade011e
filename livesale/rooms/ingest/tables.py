"""The streams of rooms."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Table, metadata

# What media servers say of the stream of a room. A room without a row never had one.
room_streams = Table(
    "room_streams",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("key_number", BigInteger, nullable=False),  # that publish keys must have
    Column("session", String(160), nullable=True),  # of the media server; none is publishing
    Column("began_ms", BigInteger, nullable=True),
    Column("seen_ms", BigInteger, nullable=True),  # when the media server last spoke of it
    Column("silent", Boolean, nullable=False),  # it has not for so long that the room was paused
    Column("last_session", String(160), nullable=True),  # that has ended, and when
    Column("last_ms", BigInteger, nullable=True),
    Index("room_streams_by_seen", "silent", "seen_ms"),
)
