"""The numbers of rooms: what was counted, in all and by minute."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011_room_numbers"
down_revision = "0010_reminders"
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
        "room_tallies",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("born", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )
    op.create_table(
        "room_minutes",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("minute_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )
    op.create_table(
        "room_records",
        sa.Column("room_id", sa.String(15), primary_key=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        **MYSQL_OPTIONS,
    )
    op.create_index("room_records_by_closed", "room_records", ["closed", "room_id"])


def downgrade() -> None:
    for name in ("room_records", "room_minutes", "room_tallies"):
        op.drop_table(name)
