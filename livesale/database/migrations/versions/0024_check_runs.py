"""Runs of the doctor and the audit that operators start."""

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from livesale.database.migrations import steps

revision = "0024_check_runs"
down_revision = "0023_logins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    steps.create_table(
        "check_runs",
        sa.Column("check_id", sa.String(15), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("slot", sa.String(12), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("progress", sa.String(300), nullable=False),
        sa.Column("findings", text, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("beat_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_index("check_runs_by_slot", "check_runs", ["slot"], unique=True)
    steps.create_index("check_runs_by_state", "check_runs", ["state", "check_id"])
