"""Compares what buyers wrote down with the orders of the service. No I/O.

Each check takes histories and rows and returns what is wrong, one sentence for each fault. An
empty list means that the check passes. A request with an unknown outcome may be one order or
none, but never two.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

SHOWN = 5
_OWNING = {"held", "sold"}


class Ack(Struct, array_like=True, frozen=True):
    """A 201 that a buyer wrote down. `reserved_ms` is by the service's clock."""

    rid: str
    buyer_id: str
    quantity: int
    amount_fen: int
    reserved_ms: int


class Unknown(Struct, array_like=True, frozen=True):
    """A request whose outcome the buyer does not know; with a key, its rid is known."""

    buyer_id: str
    quantity: int
    rid: str = ""


class OrderRow(Struct, frozen=True):
    """An order as SQL has it."""

    order_id: str
    buyer_id: str
    quantity: int
    amount_fen: int
    state: str


class Finding(Struct, frozen=True):
    """One checked promise, with its faults."""

    title: str
    wrong: list[str]
    seen: str = ""  # what was checked

    @property
    def ok(self) -> bool:
        return not self.wrong


def no_acknowledged_order_is_lost(acks: Sequence[Ack], rows: Mapping[str, OrderRow]) -> list[str]:
    """Every 201 has an order row with the same buyer, quantity and amount."""
    wrong = []
    for ack in acks:
        row = rows.get(ack.rid)
        if row is None:
            wrong.append(f"{ack.rid} of {ack.buyer_id} was answered 201 and is not in SQL")
            continue
        said = (ack.buyer_id, ack.quantity, ack.amount_fen)
        if said != (row.buyer_id, row.quantity, row.amount_fen):
            wrong.append(f"{ack.rid} was {said} for its buyer and is {row} in SQL")
    return wrong


def no_acknowledgement_is_given_twice(acks: Sequence[Ack]) -> list[str]:
    """Each reservation is answered 201 once; every repeat gets 200."""
    given = Counter(ack.rid for ack in acks)
    return [f"{rid} was answered 201 {times} times" for rid, times in given.items() if times > 1]


def no_order_without_a_request(
    acks: Sequence[Ack], unknowns: Sequence[Unknown], rows: Mapping[str, OrderRow]
) -> list[str]:
    """Every order was answered 201, or belongs to a request whose outcome is unknown."""
    acknowledged = {ack.rid for ack in acks}
    by_key = {unknown.rid for unknown in unknowns if unknown.rid}
    keyless = Counter(
        (unknown.buyer_id, unknown.quantity) for unknown in unknowns if not unknown.rid
    )
    wrong = []
    for row in rows.values():
        if row.order_id in acknowledged or row.order_id in by_key:
            continue
        who = (row.buyer_id, row.quantity)
        if keyless[who] > 0:
            keyless[who] -= 1
            continue
        wrong.append(f"{row.order_id} of {row.buyer_id} is in SQL without a 201")
    return wrong


def nothing_is_oversold(rows: Iterable[OrderRow], stock: int) -> list[str]:
    """Orders hold or own at most `stock` units together."""
    units = sum(row.quantity for row in rows if row.state in _OWNING)
    return [f"{units} units in orders, the stock was {stock}"] if units > stock else []


def nothing_stays_unsold(rows: Iterable[OrderRow], stock: int, empty_handed: int) -> list[str]:
    """All `stock` units are sold if a buyer who kept asking got nothing."""
    sold = sum(row.quantity for row in rows if row.state == "sold")
    if empty_handed and sold != stock:
        return [f"{sold} of {stock} units sold, but {empty_handed} patient buyers got none"]
    return []


def no_buyer_exceeds_the_limit(rows: Iterable[OrderRow], limit: int) -> list[str]:
    """Units held or bought by one buyer."""
    units: Counter[str] = Counter()
    for row in rows:
        if row.state in _OWNING:
            units[row.buyer_id] += row.quantity
    return [
        f"{who} has {count}, the limit is {limit}" for who, count in units.items() if count > limit
    ]


def payments_and_sales_agree(paid: set[str], rows: Iterable[OrderRow]) -> list[str]:
    """Exactly the paid reservations are sold. `paid` are rids."""
    sold = {row.order_id for row in rows if row.state == "sold"}
    wrong = [f"{rid} was paid and is not sold in SQL" for rid in sorted(paid - sold)]
    return wrong + [f"{rid} is sold in SQL and nobody paid" for rid in sorted(sold - paid)]


def shorten(wrong: Sequence[str]) -> list[str]:
    """The first `SHOWN`, then how many more."""
    more = len(wrong) - SHOWN
    return [*wrong[:SHOWN], f"… and {more} more"] if more > 0 else list(wrong)
