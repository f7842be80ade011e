"""Lucky bags, their lists and prizes."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import BuyerId, Id, Rid, State, Table, metadata

# Lucky bags. The seed is secret until the draw, the salt always.
bags = Table(
    "bags",
    metadata,
    Column("bag_id", Id, primary_key=True),
    Column("room_id", Id, nullable=False),
    Column("title", String(200), nullable=False),
    Column("state", State, nullable=False),  # livesale.rooms.bags.store.BagState
    Column("drop_id", Id, nullable=True),  # the prize is a unit of it
    Column("coupon", String(200), nullable=True),  # or this coupon
    Column("places", Integer, nullable=False),  # number of winners
    Column("stay_ms", BigInteger, nullable=False),
    Column("phrase", String(200), nullable=True),  # a required comment
    Column("claim_ms", BigInteger, nullable=False),  # time to claim a coupon
    Column("draws_ms", BigInteger, nullable=False),
    Column("seed", String(64), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("list_hash", String(64), nullable=True),
    Column("entries", Integer, nullable=True),
    Column("drawn_ms", BigInteger, nullable=True),
    Column("reason", String(16), nullable=True),  # why it is void
    Index("bags_by_room", "room_id", "bag_id"),
    Index("bags_by_state", "state", "draws_ms"),
    Index("bags_by_list", "state", "bag_id"),
)

# The lists of bags. `entry_id` is public.
bag_entries = Table(
    "bag_entries",
    metadata,
    Column("bag_id", Id, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", String(20), nullable=False),
    Column("buyer_id", BuyerId, nullable=False),
    Index("bag_entries_by_buyer", "bag_id", "buyer_id", unique=True),
)

bag_prizes = Table(
    "bag_prizes",
    metadata,
    Column("bag_id", Id, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", String(20), nullable=False),
    Column("buyer_id", BuyerId, nullable=False),
    Column("state", State, nullable=False),  # livesale.rooms.bags.store.PrizeState
    Column("rid", Rid, nullable=True),  # the order of a unit
    Column("code", String(40), nullable=True),  # of a coupon
    Column("claim_by_ms", BigInteger, nullable=True),  # of a coupon
    Column("claimed_ms", BigInteger, nullable=True),  # of a coupon
    Column("reason", String(16), nullable=True),  # why it is lost
    Index("bag_prizes_by_buyer", "bag_id", "buyer_id", unique=True),
    Index("bag_prizes_of_buyer", "buyer_id", "bag_id"),
)
