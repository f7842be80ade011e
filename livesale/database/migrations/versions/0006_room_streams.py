"""The streams that rooms are sent: publish keys, and who is publishing."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0006_room_streams"
down_revision = "0005_rooms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "room_streams",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("key_number", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.String(160), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("last_session", sa.String(160), nullable=True),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_index("room_streams_by_seen", "room_streams", ["silent", "seen_ms"])
