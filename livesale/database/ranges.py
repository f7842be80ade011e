"""Rows of drops by the ids of orders: an order's id begins with its drop's, then comes `-`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

Some = Sequence[str] | None  # ids of drops; None: of all, and rows that belong to none

_AT_ONCE = 20  # a server compares each row that it reads with range after range


def of_drops(order_id: Any, drop_ids: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column `order_id` names an order of one of these drops: a range for each.

    A database reads such ranges from the index of the column. `.` is the character behind `-`.
    At most 500 drops.
    """
    ranges = [and_(order_id > f"{drop_id}-", order_id < f"{drop_id}.") for drop_id in drop_ids]
    return or_(*ranges) if ranges else false()


def of_some(order_id: Any, some: Some) -> ColumnElement[bool]:
    """As `of_drops`, or no condition."""
    return true() if some is None else of_drops(order_id, some)


def among(drop_id: Any, some: Some) -> ColumnElement[bool]:
    """Whether the column `drop_id` is one of these, or no condition."""
    return true() if some is None else drop_id.in_(some)


def portions(some: Some) -> Iterator[Some]:
    """`some` in parts that a query can take."""
    if some is None:
        yield None
        return
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]
