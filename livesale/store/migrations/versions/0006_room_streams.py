"""The streams that rooms are sent: publish keys, and who is publishing."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006_room_streams"
down_revision = "0005_rooms"
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
        "room_streams",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("key_number", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.String(160), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("last_session", sa.String(160), nullable=True),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
        **MYSQL_OPTIONS,
    )
    op.create_index("room_streams_by_seen", "room_streams", ["silent", "seen_ms"])


def downgrade() -> None:
    op.drop_table("room_streams")
