"""Writers and keepers share the partitions."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0031_leases"
down_revision = "0030_campaign_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "leases",
        sa.Column("role", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.String(400), nullable=False),
        sa.Column("pins", sa.String(400), nullable=False),
        sa.Column("cannot", sa.String(400), nullable=False),
        sa.Column("space", sa.String(80), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
