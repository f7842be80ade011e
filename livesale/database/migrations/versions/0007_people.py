"""People in rooms: who is muted or banned."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0007_people"
down_revision = "0006_room_streams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "rooms", sa.Column("bars_version", sa.BigInteger(), nullable=False, server_default="0")
    )
    steps.create_table(
        "room_bars",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("barred_by", sa.String(80), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
