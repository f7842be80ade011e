"""The table of alerts, which is also the outbox of their webhook."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Id, Payload, State, Table, metadata

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Id, primary_key=True),  # sorts by time
    Column("kind", String(32), nullable=False),
    Column("object_id", String(80), nullable=False),
    Column("title", String(300), nullable=False),
    Column("facts", Payload, nullable=False),  # JSON
    Column("at_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),  # when its cause was over
    # Of the webhook: waiting, sent, failed, off
    Column("hook_state", State, nullable=False),
    Column("hook_tries", Integer, nullable=False),
    Column("hook_next_ms", BigInteger, nullable=False),
    Column("hook_error", String(200), nullable=False),
    Index("alerts_by_object", "object_id", "kind", "ended_ms"),
    Index("alerts_by_hook", "hook_state", "hook_next_ms"),
)
