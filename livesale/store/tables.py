"""The tables. SQLAlchemy Core; `migrations/` creates them, a test holds the two together.

No autoincrement where rows are written hot and no foreign keys between hot tables: nothing that
TiDB or Vitess would refuse. `books`, `orders`, `stock_ledger` and `log_offsets` are written by the
writer alone, in one transaction per batch of the log; so are `payments` and `refunds`, but for
money of unknown orders, operators' refunds, and the way of a refund after it is due.
Text compares byte by byte: the ids of reservations, payments and WeChat users tell upper from lower
case, which the default collation of MySQL does not. (SQLite always does.)
"""

from functools import partial

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    false,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.mysql import MEDIUMTEXT

metadata = MetaData()

MYSQL_OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
Table = partial(SqlTable, **MYSQL_OPTIONS)

Id = String(15)
Rid = String(32)
BuyerId = String(40)
State = String(12)
Payload = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")  # TEXT ends at 64 KiB there

skus = Table(
    "skus",
    metadata,
    Column("sku_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("opens_ms", BigInteger, nullable=False),
    Column("closes_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("campaigns_by_time", "opens_ms", "campaign_id"),
    Index("campaigns_by_end", "closes_ms"),
)

# The catalogue and the rules. state: draft (only in SQL) → opening (on its way into Redis) → open
# ⇄ paused → closed; from `open` on the writer moves it, by the log.
drops = Table(
    "drops",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("campaign_id", Id, nullable=False),
    Column("sku_id", Id, nullable=False),
    Column("partition", SmallInteger, nullable=False),
    Column("state", State, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("allotted", BigInteger, nullable=False),  # at the opening; `books` has the present one
    Column("buyer_limit", Integer, nullable=False),
    Column("hold_ms", BigInteger, nullable=False),
    Column("expired_limit", Integer, nullable=False),
    Column("opens_ms", BigInteger, nullable=False),
    Column("closes_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ticket_required", Boolean, nullable=False, server_default=false()),
    Column("challenge", Integer, nullable=False, server_default="0"),  # difficulty; 0 asks none
    Column("archived_ms", BigInteger, nullable=True),  # when it left Redis, long after its closing
    Column("room_id", Id, nullable=True),  # the live room it is sold in, if any
    Index("drops_by_campaign", "campaign_id", "drop_id"),
    Index("drops_by_room", "room_id", "drop_id"),
    Index("drops_by_archive", "archived_ms", "state"),
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
    # When the drop was sealed. Whatever changes a row of the drop sets it to NULL again, and
    # clears the claim of a keeper that was about to seal it, in the same transaction.
    Column("sealed_ms", BigInteger, nullable=True),
    Column("seal_claim", String(24), nullable=False, server_default=""),
    Index("books_by_seal", "sealed_ms"),
)

# What SQL held of a finished drop when it was sealed: sums and hashes (livesale.store.seals). A row
# counts while `sealed_ms` is that of the books; else the drop has changed and is sealed again.
seals = Table(
    "seals",
    metadata,
    Column("drop_id", Id, primary_key=True),
    Column("sealed_ms", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),  # how the hashes are made
    Column("allotted", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("burned", BigInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),  # this and the next three count rows
    Column("movements", BigInteger, nullable=False),
    Column("payments", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("ordered_fen", BigInteger, nullable=False),  # of sold orders
    Column("paid_fen", BigInteger, nullable=False),  # of payments, those that go back too
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
    Index("orders_by_buyer", "buyer_id", "created_ms", "order_id"),
)

stock_ledger = Table(
    "stock_ledger",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("log_ms", BigInteger, primary_key=True, autoincrement=False),  # the log id is ms-seq
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
    Column("adjust_id", String(64), nullable=True),  # of a restock or scrapping: done once
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
    Index("payments_by_order", "order_id"),
)

# What was announced to the payment gateway. The row is there before the gateway is asked.
prepays = Table(
    "prepays",
    metadata,
    Column("order_id", Rid, primary_key=True),
    Column("gateway", State, nullable=False),
    Column("prepay_id", String(64), nullable=False),  # empty until the gateway has given it
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # open, paid, closed
    Column("expires_ms", BigInteger, nullable=False),  # of the hold
    Column("next_ms", BigInteger, nullable=False),  # when the keeper settles it, if still open
    Column("tries", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("prepays_by_next", "state", "next_ms"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("refund_no", String(64), primary_key=True),
    Column("payment_id", String(64), nullable=False, unique=True),
    Column("order_id", Rid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # due, sent, accepted, refunded, failed
    Column("created_ms", BigInteger, nullable=False),
    # too_late, paid_twice, unknown_order, operator
    Column("reason", String(16), nullable=False, server_default=""),
    Column("note", String(200), nullable=False, server_default=""),
    Column("gateway_no", String(64), nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_ms", BigInteger, nullable=False, server_default="0"),
    Column("last_error", String(300), nullable=False, server_default=""),
    Column("updated_ms", BigInteger, nullable=False, server_default="0"),
    Index("refunds_by_next", "state", "next_ms"),
    Index("refunds_by_order", "order_id"),
    Index("refunds_by_time", "created_ms", "refund_no"),
    Index("refunds_by_state", "state", "created_ms", "refund_no"),
    Index("refunds_by_reason", "reason"),
)

# One row per partition: which part of which log this database holds. Its lock fences a second
# writer; the number of rows fixes the number of partitions of the deployment.
log_offsets = Table(
    "log_offsets",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("offset", String(40), nullable=False),  # the id of the last entry applied, or 0-0
    Column("entries", BigInteger, nullable=False),  # how many entries that are, so lag is exact
    Column("updated_ms", BigInteger, nullable=False),
)

# Log entries that no version could have written, or that SQL refuses: kept whole, with the reason.
quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    Column("log_id", String(40), primary_key=True),
    Column("reason", String(500), nullable=False),
    Column("payload", Payload, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # livesale.store.quarantine.QuarantineState
    Column("state", State, nullable=False, server_default="aside"),
    Column("changed_ms", BigInteger, nullable=False, server_default="0"),
    Column("note", String(200), nullable=False, server_default=""),  # an operator's, or a result
)

buyers = Table(
    "buyers",
    metadata,
    Column("buyer_id", BuyerId, primary_key=True),
    Column("provider", State, nullable=False),
    Column("subject", String(128), nullable=False),  # WeChat's openid: for payments, never logged
    Column("created_ms", BigInteger, nullable=False),
)

# Live rooms. `version` rises with each change of the room or its shelf; Redis has the live copy.
rooms = Table(
    "rooms",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("cover_url", String(500), nullable=False),
    Column("host", BuyerId, nullable=False),
    Column("state", State, nullable=False),  # livesale.live.states.RoomState
    Column("state_ms", BigInteger, nullable=False),  # since when
    Column("starts_ms", BigInteger, nullable=False),  # announced
    Column("started_ms", BigInteger, nullable=True),
    Column("ended_ms", BigInteger, nullable=True),
    Column("pinned", Id, nullable=True),  # the item that is being explained
    Column("pinned_ms", BigInteger, nullable=True),
    Column("version", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("bars_version", BigInteger, nullable=False, server_default="0"),
    Column("was_paused", Boolean, nullable=False, server_default=false()),  # before it was abnormal
    Index("rooms_by_state", "state", "room_id"),
)

room_items = Table(
    "room_items",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("image_url", String(500), nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("state", State, nullable=False),  # hidden, visible, on_sale
    Column("position", Integer, nullable=False),
    Column("sku_id", Id, nullable=True),
    Column("drop_id", Id, nullable=True),
)

# When each item was explained: for clips of the recording.
room_marks = Table(
    "room_marks",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("mark_id", Id, primary_key=True),
    Column("item_id", Id, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
)

# Who is more, or less, than a viewer of a room.
room_members = Table(
    "room_members",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("role", State, primary_key=True),  # assistant
    Column("created_ms", BigInteger, nullable=False),
)

# What media servers say of the stream of a room. A room without a row never had one.
room_streams = Table(
    "room_streams",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("key_number", BigInteger, nullable=False),  # that publish keys must have
    Column("session", String(160), nullable=True),  # of the media server; none is publishing
    Column("began_ms", BigInteger, nullable=True),
    Column("seen_ms", BigInteger, nullable=True),  # when the media server last spoke of it
    Column("silent", Boolean, nullable=False),  # it has not for so long that the room was paused
    Column("last_session", String(160), nullable=True),  # that has ended, and when
    Column("last_ms", BigInteger, nullable=True),
    Index("room_streams_by_seen", "silent", "seen_ms"),
)

# Who may not speak in a room, or not be there. `rooms.bars_version` rises with each change.
room_bars = Table(
    "room_bars",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("kind", State, primary_key=True),  # livesale.live.states.BarKind
    Column("until_ms", BigInteger, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("barred_by", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

# Lucky bags. The seed is secret until the draw, the salt for ever.
bags = Table(
    "bags",
    metadata,
    Column("bag_id", Id, primary_key=True),
    Column("room_id", Id, nullable=False),
    Column("title", String(200), nullable=False),
    Column("state", State, nullable=False),  # livesale.store.bags.BagState
    Column("drop_id", Id, nullable=True),  # the prize: a unit of it, or
    Column("coupon", String(200), nullable=True),  # what a coupon is good for
    Column("places", Integer, nullable=False),  # how many win
    Column("stay_ms", BigInteger, nullable=False),
    Column("phrase", String(200), nullable=True),  # that one must have said
    Column("claim_ms", BigInteger, nullable=False),  # for how long a coupon can be claimed
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
)

# The list of a bag that was drawn. `entry_id` is what is published.
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
    Column("state", State, nullable=False),  # livesale.store.bags.PrizeState
    Column("rid", Rid, nullable=True),  # the reservation of a unit; its order has its state
    Column("code", String(40), nullable=True),  # of a coupon
    Column("claim_by_ms", BigInteger, nullable=True),
    Column("claimed_ms", BigInteger, nullable=True),  # of a coupon
    Column("reason", String(16), nullable=True),  # why it is lost
    Index("bag_prizes_by_buyer", "bag_id", "buyer_id", unique=True),
)

# Who wants to be told before a room begins or a drop opens, and whether it was done.
reminders = Table(
    "reminders",
    metadata,
    Column("kind", State, primary_key=True),  # room, drop
    Column("target_id", Id, primary_key=True),
    Column("buyer_id", BuyerId, primary_key=True),
    Column("state", State, nullable=False),  # livesale.store.reminders
    Column("begins_ms", BigInteger, nullable=False),  # what the message said; 0 before there is one
    Column("claim", String(24), nullable=False),  # of the keeper that sends it
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # not before: after a try that came to nothing
    Column("detail", String(100), nullable=False),  # why it was not sent
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("reminders_by_state", "state", "kind", "target_id", "buyer_id"),
    Index("reminders_by_change", "state", "updated_ms"),
    Index("reminders_by_buyer", "buyer_id", "state"),
)

# What was counted in a room, by what: entered, opened, item:<id>, likes, peak. A row for each run
# of counts in Redis, known by `born`: one, unless Redis lost them. Orders have what was sold.
room_tallies = Table(
    "room_tallies",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("born", String(16), primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# What operators did, and hosts in their rooms: `livesale.recorded`. Written before the effect.
operator_actions = Table(
    "operator_actions",
    metadata,
    Column("action_id", Id, primary_key=True),  # rises with time
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),  # operator|name, buyer|id or cli|user@machine
    Column("action", String(80), nullable=False),  # a route, or a command
    Column("object_id", String(80), nullable=False),  # what it was done to; empty for what it made
    Column("asked", Text, nullable=False),  # JSON: the ids and the body of the request
    Column("request_id", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),  # livesale.store.actions.Outcome
    Column("code", String(40), nullable=False),  # of the problem, or the status of the answer
    Column("ended_ms", BigInteger, nullable=True),
    Index("operator_actions_by_actor", "actor", "action_id"),
    Index("operator_actions_by_object", "object_id", "action_id"),
)

# The same as it was in the end of each minute in which it changed, and the most viewers (online).
room_minutes = Table(
    "room_minutes",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("name", String(24), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

# Rooms whose counts are written down; `closed` when they were for the last time, behind the end.
room_records = Table(
    "room_records",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("room_records_by_closed", "closed", "room_id"),
)
