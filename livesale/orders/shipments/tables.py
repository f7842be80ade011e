"""The table of parcels."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Rid, State, Table, metadata
from livesale.orders.addresses.tables import KeyId, Sealed

parcels = Table(
    "parcels",
    metadata,
    Column("parcel_id", Id, primary_key=True),
    Column("order_id", Rid, nullable=False),
    Column("state", State, nullable=False),  # packing, shipped, received, cancelled
    Column("method", State, nullable=False),  # express, local, virtual, pickup
    Column("carrier", State, nullable=False),
    Column("number", String(32), nullable=False),
    Column("note", String(200), nullable=False),  # what is in it
    Column("is_last", Boolean, nullable=False),  # with it, all of the order is on its way
    Column("sealed", Sealed, nullable=False),  # the address, as it was when it was packed
    Column("key_id", KeyId, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("shipped_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),  # when it counts as received
    Column("updated_ms", BigInteger, nullable=False),
    Index("parcels_by_order", "order_id", "created_ms"),
    Index("parcels_by_due", "state", "due_ms"),
    Index("parcels_by_number", "number"),
    Index("parcels_by_key", "key_id"),
)
