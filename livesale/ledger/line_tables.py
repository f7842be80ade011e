"""The tables of lines. The writer writes them from the log; only drafts come from an operator,
and the order of a draw from the keeper.

A buyer has no row of their own: the writer keeps the list of each log entry in one row, so a
million people are some thousand rows.
"""

from sqlalchemy import BigInteger, Column, Integer, String

from livesale.database.tables import BuyerId, Id, Payload, State, Table, metadata

# state: draft (only in SQL), then as in Redis: gathering → open → gone, or void.
lines = Table(
    "drop_lines",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("state", State, nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("seed", String(64), nullable=False),  # secret until the line is open
    Column("turn_ms", BigInteger, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("places", Integer, nullable=False, server_default="0"),
    Column("early", Integer, nullable=True),  # n0: places given before the opening
    Column("leavers", Integer, nullable=False, server_default="0"),
    Column("serving", Integer, nullable=False, server_default="0"),
    Column("closing_id", String(40), nullable=False, server_default=""),
    Column("created_ms", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=True),
    Column("ended_ms", BigInteger, nullable=True),
    Column("mode", String(12), nullable=False, server_default="turns"),
    Column("salt", String(64), nullable=False, server_default=""),  # secret: hides who entered
    # Of a draw that is drawn: the hash of its list, and how many are in it.
    Column("list_hash", String(64), nullable=False, server_default=""),
    Column("entries", Integer, nullable=False, server_default="0"),
    # Asked when somebody enters, so Redis does not have it.
    Column("account_age_s", Integer, nullable=False, server_default="0"),
)

line_batches = Table(
    "line_batches",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("first_place", Integer, primary_key=True, autoincrement=False),
    Column("people", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("buyers", Payload, nullable=False),  # in their order, joined by spaces
)

line_leaves = Table(
    "line_leaves",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("buyer_id", BuyerId, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

line_turns = Table(
    "line_turns",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("next_position", Integer, primary_key=True, autoincrement=False),  # the first without
    Column("first_position", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),  # the books that the turns followed from
    Column("held", BigInteger, nullable=False),
)

# The order of a draw: for its first n0 positions, who has them. 256 positions a row.
line_entries = Table(
    "line_entries",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("first_position", Integer, primary_key=True, autoincrement=False),
    Column("places", Payload, nullable=False),  # by position, joined by spaces
    Column("buyers", Payload, nullable=False),
)

TABLES = (lines, line_batches, line_leaves, line_turns, line_entries)
