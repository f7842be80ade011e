"""How old an account must be for a line; buyers who work for the shop."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0032_line_terms"
down_revision = "0031_leases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "drop_lines",
        sa.Column("account_age_s", sa.Integer(), nullable=False, server_default="0"),
    )
    steps.create_table(
        "insiders",
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
