"""Live rooms: their life, shelf, marks and members; and which room a drop is sold in."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0005_rooms"
down_revision = "0004_recovery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "rooms",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("cover_url", sa.String(500), nullable=False),
        sa.Column("host", sa.String(40), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("pinned", sa.String(15), nullable=True),
        sa.Column("pinned_ms", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("rooms_by_state", "rooms", ["state", "room_id"])
    steps.create_table(
        "room_items",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("item_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("image_url", sa.String(500), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku_id", sa.String(15), nullable=True),
        sa.Column("drop_id", sa.String(15), nullable=True),
    )
    steps.create_table(
        "room_marks",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("mark_id", sa.String(15), primary_key=True),
        sa.Column("item_id", sa.String(15), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_table(
        "room_members",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("role", sa.String(12), primary_key=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.add_column("drops", sa.Column("room_id", sa.String(15), nullable=True))
    steps.create_index("drops_by_room", "drops", ["room_id", "drop_id"])
