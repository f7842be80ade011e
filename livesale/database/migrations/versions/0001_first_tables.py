"""The tables of the first release."""

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from livesale.database.migrations import steps

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "skus",
        sa.Column("sku_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("opens_ms", sa.BigInteger(), nullable=False),
        sa.Column("closes_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("campaigns_by_time", "campaigns", ["opens_ms", "campaign_id"])
    steps.create_table(
        "drops",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("campaign_id", sa.String(15), nullable=False),
        sa.Column("sku_id", sa.String(15), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("allotted", sa.BigInteger(), nullable=False),
        sa.Column("buyer_limit", sa.Integer(), nullable=False),
        sa.Column("hold_ms", sa.BigInteger(), nullable=False),
        sa.Column("expired_limit", sa.Integer(), nullable=False),
        sa.Column("opens_ms", sa.BigInteger(), nullable=False),
        sa.Column("closes_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("drops_by_campaign", "drops", ["campaign_id", "drop_id"])
    steps.create_table(
        "books",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("allotted", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("burned", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "orders",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("drop_id", sa.String(15), nullable=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("orders_by_buyer", "orders", ["buyer_id", "created_ms", "order_id"])
    steps.create_table(
        "stock_ledger",
        sa.Column("partition", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("log_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("log_seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("row", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("drop_id", sa.String(15), nullable=False),
        sa.Column("order_id", sa.String(32), nullable=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("burned", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(300), nullable=True),
    )
    steps.create_index("stock_ledger_by_drop", "stock_ledger", ["drop_id"])
    steps.create_table(
        "payments",
        sa.Column("payment_id", sa.String(64), primary_key=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.String(12), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("payments_by_order", "payments", ["order_id"])
    steps.create_table(
        "refunds",
        sa.Column("refund_no", sa.String(64), primary_key=True),
        sa.Column("payment_id", sa.String(64), nullable=False, unique=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "log_offsets",
        sa.Column("partition", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.String(40), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "quarantine",
        sa.Column("partition", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("log_id", sa.String(40), primary_key=True),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column(
            "payload",
            sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "buyers",
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("provider", sa.String(12), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
