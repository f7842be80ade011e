"""Names and avatars of buyers, and of the hosts of rooms."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0018_profiles"
down_revision = "0017_operators"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "profiles",
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("nickname", sa.String(64), nullable=True),
        sa.Column("avatar_url", sa.String(500), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    steps.add_column("rooms", sa.Column("host_name", sa.String(64), nullable=True))
    steps.add_column("rooms", sa.Column("host_avatar_url", sa.String(500), nullable=True))
