"""Operators, their sessions, their one-time links, and how often somebody tried a password."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Id, State, Table, metadata

Name = String(40)

operators = Table(
    "operators",
    metadata,
    Column("name", Name, primary_key=True),  # for good: the log of actions names people by it
    Column("roles", String(80), nullable=False),  # livesale.access.roles, joined by +
    Column("store_id", Id, nullable=True),  # the pickup store of a clerk
    Column("state", State, nullable=False),  # active, revoked
    Column("password_hash", String(200), nullable=True),  # argon2id, with its parameters
    Column("totp_secret", String(200), nullable=True),  # sealed: livesale.identity.operators.codes
    Column("totp_pending", String(200), nullable=True),  # sealed; until a code of it was shown
    Column("totp_step", BigInteger, nullable=False),  # of the last code: each is good once
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("session_id", Id, primary_key=True),
    Column("token_hash", String(64), nullable=False),  # SHA-256 of the cookie
    Column("name", Name, nullable=False),
    Column("opened_by", State, nullable=False),  # link, password
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
    Column("agent", String(200), nullable=False),  # User-Agent
    Column("source", String(45), nullable=False),  # address
    Index("operator_sessions_by_token", "token_hash", unique=True),
    Index("operator_sessions_by_name", "name", "session_id"),
)

operator_links = Table(
    "operator_links",
    metadata,
    Column("link_hash", String(64), primary_key=True),  # SHA-256 of the link's token
    Column("name", Name, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=True),
    Index("operator_links_by_name", "name"),
)

# Tries of passwords. A bucket is a hash of a name, known or not: so the table has an end.
operator_tries = Table(
    "operator_tries",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)
