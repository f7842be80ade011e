"""What distributed databases of MySQL's kind refuse, and a check of every statement that tests run.

The list is of what their makers say; none of them runs here. docs/scale.md has it with the sources.
"""

import re
from functools import cache
from typing import Any

from sqlalchemy import Engine, event

TIDB, GALERA = "TiDB", "Galera"
REFUSED: dict[str, tuple[str, str]] = {  # a pattern → what it is, and who refuses it
    r"\bSKIP LOCKED\b": ("SKIP LOCKED", TIDB),
    r"\b(CREATE|CALL)\b.*\b(PROCEDURE|FUNCTION|TRIGGER|EVENT)\b": ("stored programs", TIDB),
    r"\bMATCH\b.*\bAGAINST\b|\bFULLTEXT\b": ("full-text search", TIDB),
    r"\bSPATIAL\b|\bST_[A-Z]\w*\(": ("spatial types and functions", TIDB),
    r"\b(EXTRACTVALUE|UPDATEXML)\(": ("XML functions", TIDB),
    r"^\s*XA\b": ("XA", f"{TIDB}, {GALERA}"),
    r"\bCREATE TABLE\b[^(]*\bSELECT\b": ("CREATE TABLE … SELECT", TIDB),
    r"^\s*(CHECK|CHECKSUM|REPAIR|OPTIMIZE) TABLE\b": ("repairs of tables", TIDB),
    r"^\s*HANDLER\b": ("HANDLER", TIDB),
    r"^\s*(UN)?LOCK TABLES?\b": ("LOCK TABLES", GALERA),
    r"\bWITH READ LOCK\b": ("FLUSH TABLES … WITH READ LOCK", GALERA),
    r"\b(GET_LOCK|RELEASE_LOCK|IS_USED_LOCK)\(": ("named locks", GALERA),
    r"\bFOREIGN KEY\b|\bAUTO_INCREMENT\b": ("keys across shards", "our own rule"),
}
# The lock of `livesale migrate`: one process at a time, by one node. docs/scale.md says so.
ALLOWED = {"SELECT GET_LOCK(CONCAT(", "SELECT RELEASE_LOCK(CONCAT(", "SELECT IS_USED_LOCK(CONCAT("}
_patterns = {re.compile(text, re.IGNORECASE | re.DOTALL): why for text, why in REFUSED.items()}


@cache
def refusals(statement: str) -> list[str]:
    """Who would refuse this statement, and for what."""
    if any(statement.startswith(begin) for begin in ALLOWED):
        return []
    return [f"{who}: {what}" for each, (what, who) in _patterns.items() if each.search(statement)]


def _check(
    connection: Any, _cursor: object, statement: str, _parameters: object, context: Any, _many: bool
) -> None:
    if context.execution_options.get("is_a_fault"):
        return
    if connection.dialect.name in ("mysql", "mariadb"):
        found = refusals(statement)
        assert not found, f"{found}: {statement}"


def check_all_statements() -> None:
    """From now on, a statement that would be refused fails in this process, unless it has the
    option `is_a_fault`."""
    if not event.contains(Engine, "before_cursor_execute", _check):
        event.listen(Engine, "before_cursor_execute", _check)
