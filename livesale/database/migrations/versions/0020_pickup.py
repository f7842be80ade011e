"""Pickup stores, and the orders that wait there."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0020_pickup"
down_revision = "0019_refunds_and_cases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "pickup_stores",
        sa.Column("store_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lng", sa.Double(), nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("z", sa.Double(), nullable=False),
        sa.Column("utc_offset_min", sa.Integer(), nullable=False),
        sa.Column("hours", sa.String(1_500), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("pickup_stores_by_place", "pickup_stores", ["state", "lat", "lng"])
    steps.create_table(
        "pickups",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("store_id", sa.String(15), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("sealed", sa.String(120), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("use_id", sa.String(64), nullable=False),
        sa.Column("used_by", sa.String(100), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("pickups_by_store", "pickups", ["store_id", "state", "order_id"])
    steps.create_index("pickups_by_code", "pickups", ["store_id", "code_hash"])
