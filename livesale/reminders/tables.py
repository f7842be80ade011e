"""The table of reminders."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import BuyerId, Id, State, Table, metadata

# One row for each buyer and target (a room or a drop), with the state of the message.
reminders = Table(
    "reminders",
    metadata,
    Column("kind", State, primary_key=True),  # room, drop, hold
    Column("target_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("state", State, nullable=False),  # livesale.reminders.store
    Column(
        "begins_ms", BigInteger, nullable=False
    ),  # the beginning in the message; 0 before it is sent
    Column("claim", String(24), nullable=False),  # the claim of the keeper that sends it
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # earliest time of the next try
    Column("detail", String(100), nullable=False),  # why it was not sent
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("reminders_by_state", "state", "kind", "target_id", "buyer_id"),
    Index("reminders_by_change", "state", "updated_ms"),
    Index("reminders_by_buyer", "buyer_id", "state"),
)
