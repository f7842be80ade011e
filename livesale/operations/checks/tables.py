"""Runs of checks."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String

from livesale.database.tables import Id, Payload, State, Table, metadata

check_runs = Table(
    "check_runs",
    metadata,
    Column("check_id", Id, primary_key=True),  # rises with time
    Column("kind", State, nullable=False),  # doctor, audit, full_audit
    Column("state", State, nullable=False),  # waiting → running → done, failed, lost
    Column("slot", State, nullable=True),  # doctor or audit, until it ends: one run each
    Column("ok", Boolean, nullable=True),
    Column("actor", String(80), nullable=False),
    Column("machine", String(80), nullable=False),  # of the keeper that runs it
    Column("claim", String(32), nullable=False),  # of that keeper
    Column("reason", String(200), nullable=False),  # why it failed, or was lost
    Column("progress", String(300), nullable=False),  # JSON; empty before its first step
    Column("findings", Payload, nullable=False),  # JSON
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=True),
    Column("beat_ms", BigInteger, nullable=False),  # when its keeper was last seen alive
    Column("ended_ms", BigInteger, nullable=True),
    Index("check_runs_by_slot", "slot", unique=True),
    Index("check_runs_by_state", "state", "check_id"),
)
