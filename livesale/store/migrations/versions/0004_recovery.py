"""What a rebuilt Redis needs from SQL: the ids of adjustments, and which drops have left Redis."""

import sqlalchemy as sa
from alembic import op

revision = "0004_recovery"
down_revision = "0003_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drops", sa.Column("archived_ms", sa.BigInteger(), nullable=True))
    op.add_column("stock_ledger", sa.Column("adjust_id", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("stock_ledger", "adjust_id")
    op.drop_column("drops", "archived_ms")
