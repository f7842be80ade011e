"""Buyers, and which providers know them."""

from sqlalchemy import BigInteger, Column, Index, String

from livesale.database.tables import BuyerId, State, Table, metadata

buyers = Table(
    "buyers",
    metadata,
    Column("buyer_id", BuyerId, primary_key=True),
    Column("provider", State, nullable=False),
    Column("subject", String(128), nullable=False),  # WeChat's openid: for payments, never logged
    Column("created_ms", BigInteger, nullable=False),
)

# Other logins of a buyer whom another login made: WeChat says that it is the same person.
joined_logins = Table(
    "joined_logins",
    metadata,
    Column("login_id", BuyerId, primary_key=True),  # the buyer it would have made alone
    Column("buyer_id", BuyerId, nullable=False),
    Column("provider", State, nullable=False),
    Column("subject", String(128), nullable=False),  # as in `buyers`
    Column("created_ms", BigInteger, nullable=False),
    Index("joined_logins_by_buyer", "buyer_id"),
)

# Which buyer a person is in all apps of the shop: the first login that WeChat told it with.
wechat_unions = Table(
    "wechat_unions",
    metadata,
    Column("union_hash", BuyerId, primary_key=True),
    Column("buyer_id", BuyerId, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
