"""The tables of after-sale cases, and of units that are to come back."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import BuyerId, Id, Rid, State, Table, metadata

after_sale_cases = Table(
    "after_sale_cases",
    metadata,
    Column("case_id", Id, primary_key=True),
    Column("order_id", Rid, nullable=False),
    Column("buyer_id", BuyerId, nullable=False),
    Column("kind", State, nullable=False),  # refund, return
    Column("state", State, nullable=False),  # livesale.orders.cases.states
    Column("units", Integer, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),  # what goes back
    Column("reason", String(200), nullable=False),
    Column("evidence", String(700), nullable=False),  # ids of pictures, joined by spaces
    Column("answer", String(200), nullable=False),  # of the shop
    Column("carrier", State, nullable=False),  # of the parcel that comes back
    Column("number", String(32), nullable=False),
    Column("fate", State, nullable=False),  # of its units: stock, burn, keep
    Column("refund_no", String(64), nullable=False),
    Column("open_order", Rid, nullable=True),  # the order while the case is open, else NULL
    Column("due_ms", BigInteger, nullable=False),  # when the keeper decides; 0: never
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("cases_by_order", "order_id", "created_ms"),
    Index("cases_by_due", "state", "due_ms"),
    Index("cases_by_state", "state", "created_ms", "case_id"),
    Index("cases_by_time", "created_ms", "case_id"),
    Index("cases_open", "open_order", unique=True),  # one open case an order
)

# The pictures that a case of an order may name.
evidence = Table(
    "evidence",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("picture_id", String(32), primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
)

# Units that the engine is to take back: written with the decision, done by the keeper.
take_backs = Table(
    "take_backs",
    metadata,
    Column("take_id", String(64), primary_key=True),  # the case
    Column("order_id", Rid, nullable=False),
    Column("units", Integer, nullable=False),
    Column("fate", State, nullable=False),  # stock, burn
    Column("reason", String(200), nullable=False),
    Column("state", State, nullable=False),  # due, done, outside
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("detail", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("take_backs_by_next", "state", "next_ms"),
    Index("take_backs_by_order", "order_id"),
)
