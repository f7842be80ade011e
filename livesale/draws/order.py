"""The order of a line: who is where follows from published data, so anybody can check it.

A permutation of the first n0 places in O(1), without a list: docs/line.md says exactly how. The
commitment to the seed is published before the first place is given; n0 and the id of the closing
entry are known only after the last one. No I/O.
"""

import hashlib
import hmac

ROUNDS = 7
MIN_HALF_BITS = 3
_BLOCK = 64  # bytes of a block of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Order:
    """The permutation of one line. Raises ValueError for a seed that is not hexadecimal."""

    def __init__(self, seed: str, n0: int, closing_id: str) -> None:
        self.n0 = n0
        half = MIN_HALF_BITS
        while 1 << 2 * half < n0:
            half += 1
        self._half, self._mask = half, (1 << half) - 1
        key = hmac.digest(bytes.fromhex(seed), f"{n0}:{closing_id}".encode(), "sha256")
        # HMAC-SHA256, written out: the padded key is hashed once. That is three times as fast.
        block = key.ljust(_BLOCK, b"\0")
        self._begun = [
            hashlib.sha256(block.translate(_INNER) + bytes([number])) for number in range(ROUNDS)
        ]
        self._ended = hashlib.sha256(block.translate(_OUTER))

    def position_of(self, index: int) -> int:
        """Where the place is in the order: 0 is the first."""
        if not 0 <= index < self.n0:
            return index
        while True:
            left, right = index >> self._half, index & self._mask
            for number in range(ROUNDS):
                left, right = right, left ^ self._round(number, right)
            index = left << self._half | right
            if index < self.n0:
                return index

    def index_at(self, position: int) -> int:
        """The place at a position: the inverse."""
        if not 0 <= position < self.n0:
            return position
        while True:
            left, right = position >> self._half, position & self._mask
            for number in reversed(range(ROUNDS)):
                left, right = right ^ self._round(number, left), left
            position = left << self._half | right
            if position < self.n0:
                return position

    def _round(self, number: int, half: int) -> int:
        inner, outer = self._begun[number].copy(), self._ended.copy()
        inner.update(half.to_bytes(8, "big"))
        outer.update(inner.digest())
        return int.from_bytes(outer.digest()[:8], "big") & self._mask
