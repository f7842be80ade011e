"""What operators did."""

from sqlalchemy import BigInteger, Column, Index, String, Text

from livesale.database.tables import Id, Table, metadata

# What operators did, and hosts in their rooms (`livesale.action_log.record`): before the effect.
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
    Column("outcome", String(16), nullable=False),  # livesale.action_log.store.Outcome
    Column("code", String(40), nullable=False),  # of the problem, or the status of the answer
    Column("ended_ms", BigInteger, nullable=True),
    Column("state_before", Text, nullable=True),  # JSON: the object before the action
    Column("state_after", Text, nullable=True),
    Index("operator_actions_by_actor", "actor", "action_id"),
    Index("operator_actions_by_action", "action", "action_id"),
    Index("operator_actions_by_object", "object_id", "action_id"),
)
