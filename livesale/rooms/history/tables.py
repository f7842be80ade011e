"""What was said in rooms."""

from sqlalchemy import BigInteger, Column, Index, String

from livesale.database.tables import BuyerId, Id, State, Table, metadata

# Every comment. Numbers begin again when Redis has lost a room: the time tells two apart.
room_comments = Table(
    "room_comments",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("comment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("buyer_id", BuyerId, nullable=False),
    Column("role", State, nullable=False),  # viewer, assistant, host
    Column("text", String(500), nullable=False),  # as viewers saw it
    Column("folded", String(1_000), nullable=False),  # letters and digits: for the search
    Column("nickname", String(64), nullable=True),  # at that time
    Column("deleted_ms", BigInteger, nullable=True),
    Column("deleted_by", State, nullable=True),  # author, team
    Index("room_comments_by_room", "room_id", "at_ms", "comment_id"),
    Index("room_comments_by_buyer", "buyer_id", "at_ms", "room_id", "comment_id"),
    Index("room_comments_by_time", "at_ms", "room_id", "comment_id"),
)
