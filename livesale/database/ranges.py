"""Rows of drops by order ids: an order id is the drop's id, `-`, and more."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

Some = Sequence[str] | None  # ids of drops; None: all, also rows without a drop

_AT_ONCE = 20  # small, because a server compares each row with all ranges


def of_drops(order_id: Any, drop_ids: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column `order_id` is an order of one of these drops: a range for each.

    A database reads such ranges from the column's index. `.` is the character after `-`.
    At most 500 drops.
    """
    ranges = [and_(order_id > f"{drop_id}-", order_id < f"{drop_id}.") for drop_id in drop_ids]
    return or_(*ranges) if ranges else false()


def of_some(order_id: Any, some: Some) -> ColumnElement[bool]:
    """Like `of_drops`; no condition for None."""
    return true() if some is None else of_drops(order_id, some)


def among(drop_id: Any, some: Some) -> ColumnElement[bool]:
    """Whether the column `drop_id` is one of these; no condition for None."""
    return true() if some is None else drop_id.in_(some)


def portions(some: Some) -> Iterator[Some]:
    """`some` in parts that are small enough for a query."""
    if some is None:
        yield None
        return
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]
