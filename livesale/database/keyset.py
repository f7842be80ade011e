"""Pages of a list in the order of a time and an id: where each begins, and its cursor.

A cursor is `<time>.<id>` of the last row before the page; the routes check its form.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, or_

Key = tuple[int, str]
Row = TypeVar("Row")


def key_of(cursor: str | None) -> Key | None:
    """The key that a cursor names; None for the first page."""
    if not cursor:
        return None
    at_ms, _, name = cursor.partition(".")
    return int(at_ms), name


def next_cursor(found: Sequence[Row], limit: int, key: Callable[[Row], Key]) -> str | None:
    """The cursor of the page behind these rows; None if they do not fill their page."""
    if len(found) < limit:
        return None
    at_ms, name = key(found[-1])
    return f"{at_ms}.{name}"


def older(at: Any, name: Any, key: Key) -> ColumnElement[bool]:
    """The rows before a key: what follows it where the newest come first."""
    return or_(at < key[0], and_(at == key[0], name < key[1]))


def newer(at: Any, name: Any, key: Key) -> ColumnElement[bool]:
    """The rows behind a key: what follows it where the oldest come first."""
    return or_(at > key[0], and_(at == key[0], name > key[1]))
