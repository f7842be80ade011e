"""Draws and waitlists: what a line gives, and the drawn order."""

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from livesale.database.migrations import steps

revision = "0028_draws"
down_revision = "0027_lines"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    for column in (
        sa.Column("mode", sa.String(12), nullable=False, server_default="turns"),
        sa.Column("salt", sa.String(64), nullable=False, server_default=""),
        sa.Column("list_hash", sa.String(64), nullable=False, server_default=""),
        sa.Column("entries", sa.Integer(), nullable=False, server_default="0"),
    ):
        steps.add_column("drop_lines", column)
    steps.create_table(
        "line_entries",
        sa.Column("drop_id", sa.String(15), primary_key=True),
        sa.Column("first_position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("places", text, nullable=False),
        sa.Column("buyers", text, nullable=False),
    )
