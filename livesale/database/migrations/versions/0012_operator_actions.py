"""What operators do is kept."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0012_operator_actions"
down_revision = "0011_room_numbers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "operator_actions",
        sa.Column("action_id", sa.String(15), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("object_id", sa.String(80), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_index("operator_actions_by_actor", "operator_actions", ["actor", "action_id"])
    steps.create_index("operator_actions_by_object", "operator_actions", ["object_id", "action_id"])
