"""Orders after the sale: addresses, parcels, and what happened."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0015_after_sale"
down_revision = "0014_seals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.add_column("orders", sa.Column("stage", sa.String(12), nullable=False, server_default=""))
    steps.create_index("orders_by_state", "orders", ["state", "stage", "created_ms", "order_id"])
    steps.create_table(
        "addresses",
        sa.Column("address_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("sealed", sa.String(1_500), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("addresses_by_buyer", "addresses", ["buyer_id", "created_ms"])
    steps.create_index("addresses_by_key", "addresses", ["key_id"])
    steps.create_table(
        "order_addresses",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("sealed", sa.String(1_500), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("phone_hash", sa.String(22), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index(
        "order_addresses_by_phone", "order_addresses", ["phone_hash", "created_ms", "order_id"]
    )
    steps.create_index("order_addresses_by_key", "order_addresses", ["key_id"])
    steps.create_table(
        "parcels",
        sa.Column("parcel_id", sa.String(15), primary_key=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("method", sa.String(12), nullable=False),
        sa.Column("carrier", sa.String(12), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.String(1_500), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("shipped_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("parcels_by_order", "parcels", ["order_id", "created_ms"])
    steps.create_index("parcels_by_due", "parcels", ["state", "due_ms"])
    steps.create_index("parcels_by_number", "parcels", ["number"])
    steps.create_index("parcels_by_key", "parcels", ["key_id"])
    steps.create_table(
        "order_events",
        sa.Column("event_id", sa.String(15), primary_key=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("about", sa.String(32), nullable=False),
        sa.Column("before", sa.String(12), nullable=False),
        sa.Column("after", sa.String(12), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_index("order_events_by_order", "order_events", ["order_id", "at_ms", "event_id"])
