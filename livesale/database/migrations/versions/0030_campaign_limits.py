"""Limits over whole campaigns."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0030_campaign_limits"
down_revision = "0029_creations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "campaigns", sa.Column("buyer_limit", sa.Integer(), nullable=False, server_default="0")
    )
    steps.add_column(
        "drops", sa.Column("campaign_limit", sa.Integer(), nullable=False, server_default="0")
    )
