"""Lines: places, who left, and turns."""

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from livesale.database.migrations import steps

revision = "0027_lines"
down_revision = "0026_seeds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    steps.create_table(
        "drop_lines",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("turn_ms", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("early", sa.Integer(), nullable=True),
        sa.Column("leavers", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("serving", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("closing_id", sa.String(40), nullable=False, server_default=""),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    steps.create_table(
        "line_batches",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("first_place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("buyers", text, nullable=False),
    )
    steps.create_table(
        "line_leaves",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("buyer_id", sa.String(40), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    steps.create_table(
        "line_turns",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("next_position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_position", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
    )
