"""Drops, and the tables that the writer writes from the log."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, SmallInteger, String, false

from livesale.database.tables import BuyerId, Id, Payload, Rid, State, Table, metadata

# Catalogue and rules of drops. state: draft (only in SQL) → opening (not yet in Redis) → open ⇄
# paused → closed; from `open` on, the writer sets it from the log.
drops = Table(
    "drops",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("campaign_id", Id, nullable=False),
    Column("sku_id", Id, nullable=False),
    Column("partition", SmallInteger, nullable=False),
    Column("state", State, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("allotted", BigInteger, nullable=False),  # at the opening; `books` has the present value
    Column("buyer_limit", Integer, nullable=False),
    Column("hold_ms", BigInteger, nullable=False),
    Column("expired_limit", Integer, nullable=False),
    Column("opens_ms", BigInteger, nullable=False),
    Column("closes_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ticket_required", Boolean, nullable=False, server_default=false()),
    Column("challenge", Integer, nullable=False, server_default="0"),  # difficulty; 0 for none
    Column("archived_ms", BigInteger, nullable=True),  # when it left Redis, long after its end
    Column("room_id", Id, nullable=True),  # its live room, if any
    Column("version", Integer, nullable=False, server_default="1"),  # of a draft
    Column("campaign_limit", Integer, nullable=False, server_default="0"),  # its campaign's
    Index("drops_by_campaign", "campaign_id", "drop_id"),
    Index("drops_by_room", "room_id", "drop_id"),
    Index("drops_by_sku", "sku_id", "drop_id"),
    Index("drops_by_archive", "archived_ms", "state"),
    Index("drops_by_state", "state", "drop_id"),
)

books = Table(
    "books",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("allotted", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("burned", BigInteger, nullable=False),
    # When the drop was sealed. Every change of a row of the drop sets it to NULL and clears the
    # claim of a keeper that is sealing it, in the same transaction.
    Column("sealed_ms", BigInteger, nullable=True),
    Column("seal_claim", String(24), nullable=False, server_default=""),
    Index("books_by_seal", "sealed_ms"),
)

# Sums and hashes of a finished drop's rows when it was sealed (livesale.ledger.seals). A row is
# valid while its `sealed_ms` equals that of the books; else the drop changed and is sealed again.
seals = Table(
    "seals",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("sealed_ms", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),  # version of the method
    Column("allotted", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("burned", BigInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),  # this and the next three count rows
    Column("movements", BigInteger, nullable=False),
    Column("payments", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("ordered_fen", BigInteger, nullable=False),  # of sold orders
    Column("paid_fen", BigInteger, nullable=False),  # of payments, also refunded ones
    Column("back_fen", BigInteger, nullable=False),  # of refunds
    Column("terms_hash", String(32), nullable=False),
    Column("orders_hash", String(32), nullable=False),
    Column("movements_hash", String(32), nullable=False),
    Column("payments_hash", String(32), nullable=False),
    Column("refunds_hash", String(32), nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Rid, primary_key=True),  # the rid
    Column("drop_id", Id, nullable=False),
    Column("buyer_id", BuyerId, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # held, sold, released, expired
    Column("expires_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    # Of a sold order, on its way to the buyer: livesale.orders.stages. The writer leaves it empty.
    Column("stage", State, nullable=False, server_default=""),
    Index("orders_by_buyer", "buyer_id", "created_ms", "order_id"),
    Index("orders_by_state", "state", "stage", "created_ms", "order_id"),
)

stock_ledger = Table(
    "stock_ledger",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("log_ms", BigInteger, primary_key=True, autoincrement=False),  # the log id is `ms-seq`
    Column("log_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("row", SmallInteger, primary_key=True, autoincrement=False),
    Column("drop_id", Id, nullable=False),
    Column("order_id", Rid, nullable=True),
    Column("kind", State, nullable=False),  # stock.books.Movement.kind
    Column("available", BigInteger, nullable=False),  # this and the next three are deltas
    Column("held", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("burned", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("note", String(300), nullable=True),  # an operator's reason
    # Makes a restock, a scrapping or a `take_back` unique.
    Column("adjust_id", String(64), nullable=True),
    Index("stock_ledger_by_drop", "drop_id"),
)

payments = Table(
    "payments",
    metadata,
    Column("payment_id", String(64), primary_key=True),  # the gateway's transaction
    Column("order_id", Rid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("result", State, nullable=False),  # sold, late_sold, refund_due, stray
    Column("created_ms", BigInteger, nullable=False),
    # The sum of its refunds, whatever their state: never more than the amount.
    Column("back_fen", BigInteger, nullable=False, server_default="0"),
    Index("payments_by_order", "order_id"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("refund_no", String(64), primary_key=True),
    Column("payment_id", String(64), nullable=False),
    Column("order_id", Rid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # due, sent, accepted, refunded, failed
    Column("created_ms", BigInteger, nullable=False),
    # too_late, paid_twice, unknown_order, operator, after_sale
    Column("reason", String(16), nullable=False, server_default=""),
    Column("note", String(200), nullable=False, server_default=""),
    Column("gateway_no", String(64), nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_ms", BigInteger, nullable=False, server_default="0"),
    Column("last_error", String(300), nullable=False, server_default=""),
    Column("updated_ms", BigInteger, nullable=False, server_default="0"),
    Index("refunds_by_next", "state", "next_ms"),
    Index("refunds_by_order", "order_id"),
    Index("refunds_by_payment", "payment_id"),
    Index("refunds_by_time", "created_ms", "refund_no"),
    Index("refunds_by_state", "state", "created_ms", "refund_no"),
    Index("refunds_by_reason", "reason"),
    Index("refunds_by_change", "updated_ms", "refund_no"),
)

# One row per partition: the part of the log that this database holds. Its lock fences a second
# writer; the number of rows is the deployment's number of partitions.
log_offsets = Table(
    "log_offsets",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("offset", String(40), nullable=False),  # the id of the last entry applied, or 0-0
    Column("entries", BigInteger, nullable=False),  # number of entries up to it, so lag is exact
    Column("updated_ms", BigInteger, nullable=False),
)

# Which process works on which partitions: livesale.ledger.leases. A row for each process of a role,
# and one without a name, which is locked before the others change.
leases = Table(
    "leases",
    metadata,
    Column("role", State, primary_key=True),  # writer, keeper
    Column("name", String(16), primary_key=True),
    Column("beats", BigInteger, nullable=False),  # counted up while there is company
    Column("held", String(400), nullable=False),  # such as 0-3,7
    Column("pins", String(400), nullable=False),  # the only ones that it may hold; empty: any
    Column("cannot", String(400), nullable=False),  # what others should take from it
    Column("space", String(80), nullable=False),  # what `pid` is unique in; empty: unknown
    Column("pid", BigInteger, nullable=False),
    Column("host", String(64), nullable=False),  # for people
    Column("updated_ms", BigInteger, nullable=False),
)

# Log entries that no version could have written, or that SQL refuses: unchanged, with the reason.
quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("log_id", String(40), primary_key=True),
    Column("reason", String(500), nullable=False),
    Column("payload", Payload, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # livesale.ledger.quarantine.QuarantineState
    Column("state", State, nullable=False, server_default="aside"),
    Column("changed_ms", BigInteger, nullable=False, server_default="0"),
    Column("note", String(200), nullable=False, server_default=""),  # of an operator, or a result
)
