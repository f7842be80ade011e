"""The table of pickup stores. Places are GCJ-02, as WeChat has them."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String

from livesale.database.tables import Id, State, Table, metadata

pickup_stores = Table(
    "pickup_stores",
    metadata,
    Column("store_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("address", String(200), nullable=False),
    Column("phone", String(20), nullable=False),
    Column("state", State, nullable=False),  # open, closed
    Column("lat", Double, nullable=False),  # degrees
    Column("lng", Double, nullable=False),
    # The same place on a sphere of radius 1: livesale.pickup.places.
    Column("x", Double, nullable=False),
    Column("y", Double, nullable=False),
    Column("z", Double, nullable=False),
    Column("utc_offset_min", Integer, nullable=False),
    Column("hours", String(1_500), nullable=False),  # JSON of livesale.pickup.places.Opening
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("pickup_stores_by_place", "state", "lat", "lng"),
)
