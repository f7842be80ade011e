"""Whether a developer's database has the seeded shop, and who works on it."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0026_seeds"
down_revision = "0025_mine"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "seeds",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
    )
