"""Operators are people, and the log of actions says what changed."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0017_operators"
down_revision = "0016_catalogue"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "operators",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("roles", sa.String(80), nullable=False),
        sa.Column("store_id", sa.String(15), nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("totp_secret", sa.String(200), nullable=True),
        sa.Column("totp_pending", sa.String(200), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "operator_sessions",
        sa.Column("session_id", sa.String(15), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("opened_by", sa.String(12), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("source", sa.String(45), nullable=False),
    )
    steps.create_index(
        "operator_sessions_by_token", "operator_sessions", ["token_hash"], unique=True
    )
    steps.create_index("operator_sessions_by_name", "operator_sessions", ["name", "session_id"])
    steps.create_table(
        "operator_links",
        sa.Column("link_hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_index("operator_links_by_name", "operator_links", ["name"])
    steps.create_table(
        "operator_tries",
        sa.Column("bucket", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
    )
    steps.add_column("operator_actions", sa.Column("state_before", sa.Text(), nullable=True))
    steps.add_column("operator_actions", sa.Column("state_after", sa.Text(), nullable=True))
    steps.create_index("operator_actions_by_action", "operator_actions", ["action", "action_id"])
