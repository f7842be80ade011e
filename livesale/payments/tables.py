"""Prepays: orders announced to a payment gateway."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Rid, State, Table, metadata

# Orders announced to the payment gateway. The row exists before we call the gateway.
prepays = Table(
    "prepays",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("gateway", State, nullable=False),
    Column("prepay_id", String(64), nullable=False),  # empty until the gateway returns it
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # open, paid, closed
    Column("expires_ms", BigInteger, nullable=False),  # of the hold
    Column("next_ms", BigInteger, nullable=False),  # when the keeper settles it, if still open
    Column("tries", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    # In which app it was announced; an empty one is the mini-program's, of the release before.
    Column("app", String(20), nullable=False, server_default=""),
    Index("prepays_by_next", "state", "next_ms"),
)
