"""Several refunds of a payment; after-sale cases, what comes back, and what WeChat is told."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0019_refunds_and_cases"
down_revision = "0018_profiles"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column(
        "payments", sa.Column("back_fen", sa.BigInteger(), nullable=False, server_default="0")
    )
    steps.move(
        "refunds into payments.back_fen",
        sa.text(
            "UPDATE payments SET back_fen = amount_fen WHERE back_fen = 0"
            " AND payment_id IN (SELECT payment_id FROM refunds)"
        ),
    )
    # The release before makes one refund of a payment: its number follows from the payment.
    steps.create_index("refunds_by_payment", "refunds", ["payment_id"])
    steps.drop_unique("refunds", "payment_id")
    steps.create_table(
        "after_sale_cases",
        sa.Column("case_id", sa.String(15), primary_key=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("evidence", sa.String(700), nullable=False),
        sa.Column("answer", sa.String(200), nullable=False),
        sa.Column("carrier", sa.String(12), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("fate", sa.String(12), nullable=False),
        sa.Column("refund_no", sa.String(64), nullable=False),
        sa.Column("open_order", sa.String(32), nullable=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("cases_by_order", "after_sale_cases", ["order_id", "created_ms"])
    steps.create_index("cases_by_due", "after_sale_cases", ["state", "due_ms"])
    steps.create_index("cases_by_state", "after_sale_cases", ["state", "created_ms", "case_id"])
    steps.create_index("cases_by_time", "after_sale_cases", ["created_ms", "case_id"])
    steps.create_index("cases_open", "after_sale_cases", ["open_order"], unique=True)
    steps.create_table(
        "take_backs",
        sa.Column("take_id", sa.String(64), primary_key=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("fate", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("take_backs_by_next", "take_backs", ["state", "next_ms"])
    steps.create_index("take_backs_by_order", "take_backs", ["order_id"])
    steps.create_table(
        "shipping_uploads",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("shipping_uploads_by_next", "shipping_uploads", ["state", "next_ms"])
