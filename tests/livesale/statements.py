"""Compiled statements that all stages of a test process share.

SQLAlchemy keeps what it compiled by engine and dialect. Each stage has an engine of its own, so
each test compiled the same statements anew.
"""

from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

_dialects: dict[tuple[str, object], Dialect] = {}
_compiled: dict[Any, Any] = {}


def share_compiled(sql: AsyncEngine) -> None:
    """Use the dialect of the first engine of this kind, and what was compiled for it."""
    sync = sql.sync_engine
    sync.dialect = _dialects.get(_kind(sql), sync.dialect)
    sync.update_execution_options(compiled_cache=_compiled)


def keep_dialect(sql: AsyncEngine) -> None:
    """Offer this engine's dialect to later ones. It has been connected: so it knows its server."""
    _dialects.setdefault(_kind(sql), sql.sync_engine.dialect)


def _kind(sql: AsyncEngine) -> tuple[str, object]:
    return sql.url.drivername, sql.url.query.get("unix_socket")
