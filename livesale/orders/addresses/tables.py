"""The tables of addresses. `sealed` is of livesale.orders.addresses.sealing."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import BuyerId, Id, Rid, Table, metadata

Sealed = String(1_500)  # 1,000 bytes of JSON in base64, the key id and the tag
KeyId = String(16)
PhoneHash = String(22)

addresses = Table(
    "addresses",
    metadata,
    Column("address_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, nullable=False),
    Column("sealed", Sealed, nullable=False),
    Column("key_id", KeyId, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("addresses_by_buyer", "buyer_id", "created_ms"),
    Index("addresses_by_key", "key_id"),
)

# Where an order goes. The row may be there before the order is in SQL.
order_addresses = Table(
    "order_addresses",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("buyer_id", BuyerId, nullable=False),
    Column("sealed", Sealed, nullable=False),
    Column("key_id", KeyId, nullable=False),
    Column("phone_hash", PhoneHash, nullable=False),  # of the phone's last four digits
    Column("created_ms", BigInteger, nullable=False),  # of the order, or of the first address
    Column("updated_ms", BigInteger, nullable=False),
    Index("order_addresses_by_phone", "phone_hash", "created_ms", "order_id"),
    Index("order_addresses_by_key", "key_id"),
)
