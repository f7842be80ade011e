"""What a buyer won, and which refunds changed: found by indexes."""

from livesale.database.migrations import steps

revision = "0025_mine"
down_revision = "0024_check_runs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_index("bag_prizes_of_buyer", "bag_prizes", ["buyer_id", "bag_id"])
    steps.create_index("refunds_by_change", "refunds", ["updated_ms", "refund_no"])
