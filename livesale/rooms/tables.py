"""Rooms, their shelves, marks and members."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, false

from livesale.database.tables import BuyerId, Id, State, Table, metadata

# Live rooms. `version` rises with each change of the room or its shelf; Redis has the live copy.
rooms = Table(
    "rooms",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("cover_url", String(500), nullable=False),
    Column("host", BuyerId, nullable=False),
    Column("state", State, nullable=False),  # livesale.rooms.states.RoomState
    Column("state_ms", BigInteger, nullable=False),  # since when
    Column("starts_ms", BigInteger, nullable=False),  # announced
    Column("started_ms", BigInteger, nullable=True),
    Column("ended_ms", BigInteger, nullable=True),
    Column("pinned", Id, nullable=True),  # the item being explained
    Column("pinned_ms", BigInteger, nullable=True),
    Column("version", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("bars_version", BigInteger, nullable=False, server_default="0"),
    Column("was_paused", Boolean, nullable=False, server_default=false()),  # before it was abnormal
    Column("host_name", String(64), nullable=True),  # as viewers see it
    Column("host_avatar_url", String(500), nullable=True),
    Column("muted", Boolean, nullable=False, server_default=false()),  # only its team comments
    Index("rooms_by_state", "state", "room_id"),
    Index("rooms_by_host", "host", "room_id"),
    Index("rooms_by_end", "ended_ms", "room_id"),
)

room_items = Table(
    "room_items",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("image_url", String(500), nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # hidden, visible, on_sale
    Column("position", Integer, nullable=False),
    Column("sku_id", Id, nullable=True),
    Column("drop_id", Id, nullable=True),
)

# When each item was explained: for clips of the recording.
room_marks = Table(
    "room_marks",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("mark_id", Id, primary_key=True),
    Column("item_id", Id, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
)

# Buyers with a role in a room.
room_members = Table(
    "room_members",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("role", State, primary_key=True),  # assistant
    Column("created_ms", BigInteger, nullable=False),
)

# Operators who host a room from the console.
room_seats = Table(
    "room_seats",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("operator", String(80), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Index("room_seats_by_operator", "operator", "room_id"),
)
