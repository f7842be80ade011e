"""Purchase tickets and the challenge before them, by drop."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0002_tickets"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "drops",
        sa.Column("ticket_required", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    steps.add_column(
        "drops", sa.Column("challenge", sa.Integer(), nullable=False, server_default="0")
    )
