"""One drop in k buckets, and the check that no unit of it is lost or exists twice.

A bucket knows what its partition knows: its units, its buyers, what it gave and took. Units move
between buckets by a `give`, which stays open until the receiver has taken it and the donor knows.
"""

from collections.abc import Callable
from hashlib import blake2b

from msgspec import Struct, field


class Give(Struct):
    """Units on their way from one bucket to another one."""

    give_id: int
    units: int
    to: int
    at_s: float


class Look(Struct, frozen=True):
    """A bucket as somebody saw it. `moves` counts all that raised its units, or took of them
    without a buyer."""

    available: int
    moves: int
    open_gives: int


class Bucket(Struct):
    """The books of one bucket, in its partition. Each method is one atomic script."""

    number: int
    allotted: int
    available: int
    buyers: set[int] = field(default_factory=set)
    held: int = 0
    moves: int = 0
    given: dict[int, Give] = field(default_factory=dict)  # not settled
    gave: dict[int, int] = field(default_factory=dict)  # all that was ever given
    taken: dict[int, int] = field(default_factory=dict)
    claimed_until_s: float = 0.0
    claimed_by: int = -1

    def reserve(self, buyer: int) -> str:
        """`held`, `sold_out` or `over_limit`: each buyer may have one unit."""
        if buyer in self.buyers:
            return "over_limit"
        if not self.available:
            return "sold_out"
        self.available -= 1
        self.held += 1
        self.buyers.add(buyer)
        return "held"

    def look(self) -> Look:
        return Look(self.available, self.moves, len(self.given))

    def claim(self, thief: int, now_s: float, until_s: float) -> bool:
        """Whether this thief may fetch units for the bucket: one at a time, for a while."""
        if self.available or (self.claimed_by != thief and now_s < self.claimed_until_s):
            return False
        self.claimed_by, self.claimed_until_s = thief, until_s
        return True

    def give(self, give_id: int, to: int, now_s: float) -> int:
        """Half of what is here, rounded up; 0 if there is nothing."""
        if give_id in self.gave:
            return self.gave[give_id]
        units = (self.available + 1) // 2
        if units:
            self.available -= units
            self.allotted -= units
            self.moves += 1
            self.gave[give_id] = units
            self.given[give_id] = Give(give_id, units, to, now_s)
        return units

    def take(self, give_id: int, units: int) -> None:
        """Once for each give."""
        if give_id not in self.taken:
            self.taken[give_id] = units
            self.available += units
            self.allotted += units
            self.moves += 1
        self.claimed_until_s = 0.0

    def settle(self, give_id: int) -> None:
        self.given.pop(give_id, None)


def _hash(buyer: int) -> int:
    return int.from_bytes(blake2b(b"%d" % buyer, digest_size=4).digest())


class Drop:
    """A drop in buckets, and what its buyers were told."""

    def __init__(self, units: int, buckets: int, by: Callable[[int], int] = _hash) -> None:
        self.units, self._by = units, by
        shares = [units // buckets + (number < units % buckets) for number in range(buckets)]
        self.buckets = [Bucket(number, share, share) for number, share in enumerate(shares)]
        self.told: dict[int, list[str]] = {}  # by buyer
        self.false_sold_out = 0

    def bucket_of(self, buyer: int) -> int:
        return self._by(buyer) % len(self.buckets)

    def tell(self, buyer: int, answer: str) -> None:
        """Note an answer to a buyer; "sold out" is false while a unit is left anywhere."""
        self.told.setdefault(buyer, []).append(answer)
        if answer == "sold_out" and self.left:
            self.false_sold_out += 1

    @property
    def left(self) -> int:
        """Units that nobody has, wherever they are."""
        return self.units - sum(bucket.held for bucket in self.buckets)

    @property
    def on_the_way(self) -> int:
        return sum(
            give.units
            for bucket in self.buckets
            for give in bucket.given.values()
            if give.give_id not in self.buckets[give.to].taken
        )

    @property
    def transfers(self) -> int:
        return sum(len(bucket.taken) for bucket in self.buckets)

    def audit(self, asked: int) -> None:
        """Raise AssertionError if a unit was lost or exists twice, or an answer is missing."""
        problems = []
        allotted = sum(bucket.allotted for bucket in self.buckets)
        if allotted + self.on_the_way != self.units:
            problems.append(f"{allotted} + {self.on_the_way} on the way of {self.units} units")
        gave = {key: units for one in self.buckets for key, units in one.gave.items()}
        on_the_way = {key for one in self.buckets for key in one.given}
        for bucket in self.buckets:
            if bucket.allotted != bucket.available + bucket.held:
                problems.append(f"the books of bucket {bucket.number}")
            if bucket.held != len(bucket.buyers):
                problems.append(f"the buyers of bucket {bucket.number}")
            problems += [
                f"take {key} of {units} units"
                for key, units in bucket.taken.items()
                if gave.get(key) != units
            ]
        taken = [key for bucket in self.buckets for key in bucket.taken]
        if len(taken) != len(set(taken)) or set(gave) - set(taken) - on_the_way:
            problems.append("gives without one take each")
        answers = [answer for told in self.told.values() for answer in told]
        if len(answers) != asked:
            problems.append(f"{len(answers)} answers to {asked} attempts")
        holders = sum("held" in told for told in self.told.values())
        held = sum(bucket.held for bucket in self.buckets)
        if not holders == held == answers.count("held"):
            problems.append(f"{answers.count('held')} told of {held} units held")
        if problems:
            raise AssertionError("; ".join(problems))
