"""Reminders: who wants to be told before a room begins or a drop opens."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0010_reminders"
down_revision = "0009_was_paused"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "reminders",
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("target_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("begins_ms", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.String(24), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index(
        "reminders_by_state", "reminders", ["state", "kind", "target_id", "buyer_id"]
    )
    steps.create_index("reminders_by_change", "reminders", ["state", "updated_ms"])
    steps.create_index("reminders_by_buyer", "reminders", ["buyer_id", "state"])
