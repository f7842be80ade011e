"""What became of an entry in quarantine: put aside, replayed, dismissed, fitted in by recovery."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0013_quarantine_states"
down_revision = "0012_operator_actions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "quarantine", sa.Column("state", sa.String(12), nullable=False, server_default="aside")
    )
    steps.add_column(
        "quarantine", sa.Column("changed_ms", sa.BigInteger(), nullable=False, server_default="0")
    )
    steps.add_column(
        "quarantine", sa.Column("note", sa.String(200), nullable=False, server_default="")
    )
    steps.move(
        "what recovery fitted in",
        sa.text(
            "UPDATE quarantine SET state = 'fitted'"
            " WHERE state = 'aside' AND reason LIKE 'sold on a Redis that was older than SQL%'"
        ),
    )
