"""The states of after-sale cases, in one table. No I/O.

A case of the kind `refund` sends money back; of the kind `return`, goods come back first.
"""

from enum import StrEnum


class CaseKind(StrEnum):
    REFUND = "refund"
    RETURN = "return"


class CaseState(StrEnum):
    ASKED = "asked"
    AGREED = "agreed"  # a refund: the money goes back; a return: the goods are awaited
    REFUSED = "refused"
    RETURNED = "returned"  # the goods are there, and the money goes back
    REFUNDED = "refunded"  # the buyer has the money
    WITHDRAWN = "withdrawn"  # by the buyer, or because the goods never came


class Fate(StrEnum):
    """What becomes of units that came back, as an operator says."""

    STOCK = "stock"  # on sale again
    BURN = "burn"
    KEEP = "keep"  # nothing: they stay sold in the books


AFTER: dict[CaseState, frozenset[CaseState]] = {
    CaseState.ASKED: frozenset({CaseState.AGREED, CaseState.REFUSED, CaseState.WITHDRAWN}),
    CaseState.AGREED: frozenset({CaseState.RETURNED, CaseState.REFUNDED, CaseState.WITHDRAWN}),
    CaseState.RETURNED: frozenset({CaseState.REFUNDED}),
    CaseState.REFUSED: frozenset(),
    CaseState.REFUNDED: frozenset(),
    CaseState.WITHDRAWN: frozenset(),
}
ENDED = frozenset(state for state, after in AFTER.items() if not after)
# States whose units and money count: no other case may ask for them again.
COUNTED = (CaseState.ASKED, CaseState.AGREED, CaseState.RETURNED, CaseState.REFUNDED)


def may_follow(before: str, after: CaseState) -> bool:
    return after in AFTER[CaseState(before)]
