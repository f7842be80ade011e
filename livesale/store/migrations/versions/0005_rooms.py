"""Live rooms: their life, shelf, marks and members; and which room a drop is sold in."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005_rooms"
down_revision = "0004_recovery"
branch_labels = None
depends_on = None

MYSQL_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("cover_url", sa.String(500), nullable=False),
        sa.Column("host", sa.String(40), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("pinned", sa.String(15), nullable=True),
        sa.Column("pinned_ms", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )
    op.create_index("rooms_by_state", "rooms", ["state", "room_id"])
    op.create_table(
        "room_items",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("item_id", sa.String(15), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("image_url", sa.String(500), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku_id", sa.String(15), nullable=True),
        sa.Column("drop_id", sa.String(15), nullable=True),
        **MYSQL_OPTIONS,
    )
    op.create_table(
        "room_marks",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("mark_id", sa.String(15), primary_key=True),
        sa.Column("item_id", sa.String(15), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        **MYSQL_OPTIONS,
    )
    op.create_table(
        "room_members",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("role", sa.String(12), primary_key=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )
    op.add_column("drops", sa.Column("room_id", sa.String(15), nullable=True))
    op.create_index("drops_by_room", "drops", ["room_id", "drop_id"])


def downgrade() -> None:
    op.drop_index("drops_by_room", "drops")
    op.drop_column("drops", "room_id")
    for name in ("room_members", "room_marks", "room_items", "rooms"):
        op.drop_table(name)
