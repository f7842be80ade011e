"""Several logins of one person, and in which app a payment was begun."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0023_logins"
down_revision = "0022_drafts_and_shares"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "joined_logins",
        sa.Column("login_id", sa.String(40), primary_key=True),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(12), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("joined_logins_by_buyer", "joined_logins", ["buyer_id"])
    steps.create_table(
        "wechat_unions",
        sa.Column("union_hash", sa.String(40), primary_key=True),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    # The release before announces in the mini-program only, and does not name it.
    steps.add_column("prepays", sa.Column("app", sa.String(20), nullable=False, server_default=""))
