"""Arguments that no engine accepts: the same refusals in Redis and in memory. No I/O."""

import hashlib
from collections.abc import Sequence

from stock.ids import is_buyer_id
from stock.line.model import MAX_PER_MILLE, is_hash
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


def commitment_of(seed: str) -> str:
    """The SHA-256 of a seed. Raises ValueError for what is not one."""
    if not is_hash(seed):
        raise ValueError("a seed has 64 hexadecimal digits")
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()
