"""The outbox of what WeChat is told about shipments."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Rid, State, Table, metadata

shipping_uploads = Table(
    "shipping_uploads",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("state", State, nullable=False),  # due, sent, refused
    Column("version", Integer, nullable=False),  # rises with each change of the parcels
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("detail", String(200), nullable=False),  # WeChat's last words
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("shipping_uploads_by_next", "state", "next_ms"),
)
