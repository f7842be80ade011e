"""Versions of drafts, the orders of operators' lists, short codes of rooms, and comments."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0022_drafts_and_shares"
down_revision = "0021_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("campaigns", "drops"):
        version = sa.Column("version", sa.Integer(), nullable=False, server_default="1")
        steps.add_column(table, version)
    steps.add_column(
        "rooms", sa.Column("muted", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    steps.create_index("drops_by_state", "drops", ["state", "drop_id"])
    steps.create_index("rooms_by_host", "rooms", ["host", "room_id"])
    steps.create_index("rooms_by_end", "rooms", ["ended_ms", "room_id"])
    steps.create_index("bags_by_list", "bags", ["state", "bag_id"])
    steps.create_table(
        "shares",
        sa.Column("code", sa.String(12), primary_key=True),
        sa.Column("room_id", sa.String(15), nullable=False),
        sa.Column("picture_id", sa.String(32), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("shares_by_room", "shares", ["room_id"], unique=True)
    steps.create_table(
        "room_comments",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("comment_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("folded", sa.String(1_000), nullable=False),
        sa.Column("nickname", sa.String(64), nullable=True),
        sa.Column("deleted_ms", sa.BigInteger(), nullable=True),
        sa.Column("deleted_by", sa.String(12), nullable=True),
    )
    for name, columns in (
        ("room_comments_by_room", ["room_id", "at_ms", "comment_id"]),
        ("room_comments_by_buyer", ["buyer_id", "at_ms", "room_id", "comment_id"]),
        ("room_comments_by_time", ["at_ms", "room_id", "comment_id"]),
    ):
        steps.create_index(name, "room_comments", columns)
