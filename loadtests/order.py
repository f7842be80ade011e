"""The order of a line, from what the service publishes. No I/O.

docs/line.md, read a second time: the checks of a load test believe no code of the service.
"""

import hashlib
import hmac


def position_of(index: int, seed: str, n0: int, closing_id: str) -> int:
    """The position of a place. Raises ValueError for a seed that is not hexadecimal."""
    if index >= n0:
        return index
    key = hmac.new(bytes.fromhex(seed), f"{n0}:{closing_id}".encode(), hashlib.sha256).digest()
    half = 3
    while 4**half < n0:
        half += 1
    while True:
        left, right = divmod(index, 2**half)
        for number in range(7):
            message = bytes([number]) + right.to_bytes(8, "big")
            digest = hmac.new(key, message, hashlib.sha256).digest()
            left, right = right, left ^ (int.from_bytes(digest[:8], "big") % 2**half)
        index = left * 2**half + right
        if index < n0:
            return index
