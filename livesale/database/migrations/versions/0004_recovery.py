"""What a rebuilt Redis needs from SQL: the ids of adjustments, and which drops have left Redis."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0004_recovery"
down_revision = "0003_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column("drops", sa.Column("archived_ms", sa.BigInteger(), nullable=True))
    steps.add_column("stock_ledger", sa.Column("adjust_id", sa.String(64), nullable=True))
