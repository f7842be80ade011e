"""Arguments that no engine accepts: the same refusals in Redis and in memory. No I/O."""

import hashlib
from collections.abc import Sequence

from stock.ids import drop_of, is_buyer_id, is_rid
from stock.line.model import MAX_PER_MILLE, NextInLine, is_hash
from stock.model import MAX_BATCH


def check_buyers(buyers: Sequence[str]) -> None:
    """Raises ValueError."""
    if not 1 <= len(buyers) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} buyers, not {len(buyers)}")
    strange = [buyer for buyer in buyers if not is_buyer_id(buyer)]
    if strange:
        raise ValueError(f"not a buyer: {strange[0]!r}")


def check_serving(serving: int, promised: int, per_mille: int) -> None:
    """Raises ValueError."""
    if serving < 0 or promised < 0 or not 1 <= per_mille <= MAX_PER_MILLE:
        raise ValueError(f"cannot serve with {serving}, {promised}, {per_mille}")


def check_next(drop_id: str, serving: int, people: Sequence[NextInLine]) -> None:
    """Raises ValueError."""
    if serving < 0 or len(people) > MAX_BATCH:
        raise ValueError(f"cannot hold for {len(people)} people from {serving}")
    for one in people:
        mine = is_rid(one.rid) and drop_of(one.rid) == drop_id
        if not mine or not is_buyer_id(one.buyer_id) or one.index < 0:
            raise ValueError(f"cannot hold for {one}")
    # A buyer may come twice: with a place that was left, and with the one after it.
    if len({(one.buyer_id, one.index) for one in people}) != len(people):
        raise ValueError("cannot hold twice for one place")


def commitment_of(seed: str) -> str:
    """The SHA-256 of a seed. Raises ValueError for what is not one."""
    if not is_hash(seed):
        raise ValueError("a seed has 64 hexadecimal digits")
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()
