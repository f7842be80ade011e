"""People in rooms: who is muted or banned."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007_people"
down_revision = "0006_room_streams"
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
    op.add_column(
        "rooms", sa.Column("bars_version", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "room_bars",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("buyer_id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("barred_by", sa.String(80), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("room_bars")
    op.drop_column("rooms", "bars_version")
