"""The pictures that buyers show with a case."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0021_evidence"
down_revision = "0020_pickup"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "evidence",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("picture_id", sa.String(32), primary_key=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
