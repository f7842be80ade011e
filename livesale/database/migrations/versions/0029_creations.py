"""What was made by an Idempotency-Key; who hosts which room from the console."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0029_creations"
down_revision = "0028_draws"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "creations",
        sa.Column("creation_key", sa.String(32), primary_key=True),
        sa.Column("asked", sa.String(32), nullable=False),
        sa.Column("object_id", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "room_seats",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("operator", sa.String(80), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("room_seats_by_operator", "room_seats", ["operator", "room_id"])
