"""The books of a drop and their movements. No I/O."""

from msgspec import Struct


class Movement(Struct, frozen=True, gc=False):
    """The effect of one log row on the books: deltas, and the reservation, if any."""

    kind: str
    rid: str | None = None
    available: int = 0
    held: int = 0
    sold: int = 0
    burned: int = 0

    @property
    def allotted(self) -> int:
        return self.available + self.held + self.sold + self.burned


class Books(Struct, frozen=True, gc=False):
    """The counters of one drop. I1: allotted = available + held + sold + burned, all ≥ 0."""

    allotted: int = 0
    available: int = 0
    held: int = 0
    sold: int = 0
    burned: int = 0

    @property
    def balanced(self) -> bool:
        """Whether I1 holds."""
        parts = (self.available, self.held, self.sold, self.burned)
        return min(parts) >= 0 and self.allotted == sum(parts)

    def plus(self, movement: Movement) -> "Books":
        return Books(
            allotted=self.allotted + movement.allotted,
            available=self.available + movement.available,
            held=self.held + movement.held,
            sold=self.sold + movement.sold,
            burned=self.burned + movement.burned,
        )
