"""Rooms: what an abnormal one goes back to when its host is heard of again."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0009_was_paused"
down_revision = "0008_lucky_bags"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "rooms", sa.Column("was_paused", sa.Boolean(), nullable=False, server_default=sa.false())
    )
