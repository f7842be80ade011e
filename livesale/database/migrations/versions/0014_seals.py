"""Seals of finished drops, and indexes for what was scanned."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0014_seals"
down_revision = "0013_quarantine_states"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "seals",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("sealed_ms", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.SmallInteger(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in (
                *("allotted", "available", "sold", "burned"),
                *("orders", "movements", "payments", "refunds"),
                *("ordered_fen", "paid_fen", "back_fen"),
            )
        ),
        *(
            sa.Column(f"{name}_hash", sa.String(32), nullable=False)
            for name in ("terms", "orders", "movements", "payments", "refunds")
        ),
    )
    # Without a seal a drop counts as one that still moves: the keeper seals the old ones in turn.
    steps.add_column("books", sa.Column("sealed_ms", sa.BigInteger(), nullable=True))
    steps.add_column(
        "books", sa.Column("seal_claim", sa.String(24), nullable=False, server_default="")
    )
    steps.create_index("books_by_seal", "books", ["sealed_ms"])
    steps.create_index("drops_by_archive", "drops", ["archived_ms", "state"])
    steps.create_index("campaigns_by_end", "campaigns", ["closes_ms"])
    steps.create_index("refunds_by_time", "refunds", ["created_ms", "refund_no"])
    steps.create_index("refunds_by_state", "refunds", ["state", "created_ms", "refund_no"])
    steps.create_index("refunds_by_reason", "refunds", ["reason"])
