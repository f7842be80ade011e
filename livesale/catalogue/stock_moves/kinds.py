"""The kinds of moves, and what each changes. No I/O.

Two sums of a SKU follow: `on_hand`, the units that are here, and `in_drops`, those of them that are
given to drops: for sale, held, or sold and not shipped. The rest is free.
"""

from enum import StrEnum

from msgspec import Struct


class MoveKind(StrEnum):
    RECEIVED = "received"  # came in; free
    TO_DROP = "to_drop"  # given to a drop: at its opening, or a restock of it
    FROM_DROP = "from_drop"  # a drop has closed and did not sell it; free again
    SHIPPED = "shipped"  # left for a buyer
    BACK = "back"  # came back from a buyer
    SCRAPPED = "scrapped"  # is gone


class Deltas(Struct, frozen=True):
    on_hand: int
    in_drops: int


def deltas_of(kind: MoveKind, units: int, *, of_drop: bool) -> Deltas:
    """What a move changes. `of_drop`: the units are a drop's, where both is possible."""
    match kind:
        case MoveKind.RECEIVED:
            return Deltas(units, 0)
        case MoveKind.TO_DROP:
            return Deltas(0, units)
        case MoveKind.FROM_DROP:
            return Deltas(0, -units)
        case MoveKind.SHIPPED | MoveKind.SCRAPPED:
            return Deltas(-units, -units if of_drop else 0)
        case MoveKind.BACK:
            return Deltas(units, units if of_drop else 0)
