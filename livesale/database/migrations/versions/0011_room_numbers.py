"""The numbers of rooms: what was counted, in all and by minute."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0011_room_numbers"
down_revision = "0010_reminders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "room_tallies",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("born", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "room_minutes",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("minute_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "room_records",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("room_records_by_closed", "room_records", ["closed", "room_id"])
