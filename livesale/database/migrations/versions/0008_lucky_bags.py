"""Lucky bags: what was promised, who entered, and what became of the prizes."""

import sqlalchemy as sa

from livesale.database.migrations import steps

revision = "0008_lucky_bags"
down_revision = "0007_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "bags",
        sa.Column("bag_id", sa.String(15), primary_key=True),
        sa.Column("room_id", sa.String(15), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("drop_id", sa.String(15), nullable=True),
        sa.Column("coupon", sa.String(200), nullable=True),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("stay_ms", sa.BigInteger(), nullable=False),
        sa.Column("phrase", sa.String(200), nullable=True),
        sa.Column("claim_ms", sa.BigInteger(), nullable=False),
        sa.Column("draws_ms", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("list_hash", sa.String(64), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("drawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(16), nullable=True),
    )
    steps.create_index("bags_by_room", "bags", ["room_id", "bag_id"])
    steps.create_index("bags_by_state", "bags", ["state", "draws_ms"])
    steps.create_table(
        "bag_entries",
        sa.Column("bag_id", sa.String(15), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.String(20), nullable=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
    )
    steps.create_index("bag_entries_by_buyer", "bag_entries", ["bag_id", "buyer_id"], unique=True)
    steps.create_table(
        "bag_prizes",
        sa.Column("bag_id", sa.String(15), primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.String(20), nullable=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("rid", sa.String(32), nullable=True),
        sa.Column("code", sa.String(40), nullable=True),
        sa.Column("claim_by_ms", sa.BigInteger(), nullable=True),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(16), nullable=True),
    )
    steps.create_index("bag_prizes_by_buyer", "bag_prizes", ["bag_id", "buyer_id"], unique=True)
