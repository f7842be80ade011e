"""Prepays, and the way of a refund after it is due."""

from typing import Any

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0003_payments"
down_revision = "0002_tickets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "prepays",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("gateway", sa.String(12), nullable=False),
        sa.Column("prepay_id", sa.String(64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("prepays_by_next", "prepays", ["state", "next_ms"])
    for name, kind, default in (
        ("reason", sa.String(16), ""),
        ("note", sa.String(200), ""),
        ("gateway_no", sa.String(64), ""),
        ("tries", sa.Integer(), "0"),
        ("next_ms", sa.BigInteger(), "0"),
        ("last_error", sa.String(300), ""),
        ("updated_ms", sa.BigInteger(), "0"),
    ):
        column: sa.Column[Any] = sa.Column(name, kind, nullable=False, server_default=default)
        steps.add_column("refunds", column)
    steps.create_index("refunds_by_next", "refunds", ["state", "next_ms"])
    steps.create_index("refunds_by_order", "refunds", ["order_id"])
