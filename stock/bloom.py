"""A set of names in a few bytes each, that may err on one side only."""

_BITS_A_NAME = 32
_LEAST_BITS = 1 << 14


class BloomFilter:
    """`name in filter` is True for every name that was added, and for 1 in 250 of the others.

    `capacity` is for how many names it is made, at 4 to 8 bytes each; with twice as many it is
    wrong for 1 in 70. Names are hashed with the random key of this process: nobody outside can find
    names that collide.
    """

    __slots__ = ("_mask", "_table")

    def __init__(self, capacity: int = 0) -> None:
        bits = _LEAST_BITS
        while bits < capacity * _BITS_A_NAME:
            bits *= 2
        self._mask = bits - 1
        self._table = bytearray(bits >> 3)

    @property
    def size_bytes(self) -> int:
        return len(self._table)

    def add(self, name: str) -> bool:
        """Add a name; False where it seems to be in it already."""
        table, mask, found = self._table, self._mask, hash(name)
        first, second = found & mask, found >> 32 & mask
        before = table[first >> 3] >> (first & 7) & table[second >> 3] >> (second & 7) & 1
        table[first >> 3] |= 1 << (first & 7)
        table[second >> 3] |= 1 << (second & 7)
        return not before

    def __contains__(self, name: str) -> bool:
        table, mask, found = self._table, self._mask, hash(name)
        place = found & mask
        if not table[place >> 3] >> (place & 7) & 1:
            return False  # 15 of 16 names that were not added end here
        place = found >> 32 & mask
        return bool(table[place >> 3] >> (place & 7) & 1)
