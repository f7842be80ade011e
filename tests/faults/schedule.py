"""What breaks when: a function of the seed alone. No I/O."""

import random
from collections.abc import Sequence

from msgspec import Struct


class Kind(Struct, frozen=True):
    """A kind of fault. `row` is that of the fault matrix; `needs` are the parts that it has for
    itself while it lasts; `weight` says how often it comes, beside the others."""

    name: str
    row: int
    needs: tuple[str, ...]
    weight: float = 1.0
    shortest_s: float = 0.2
    longest_s: float = 3.0
    kills: bool = False


class Strike(Struct, frozen=True):
    """One fault: when it begins, how long it lasts, and a number that decides its details."""

    at_s: float
    kind: Kind
    lasts_s: float
    chance: float

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


class Round(Struct, frozen=True):
    """Faults for `lasts_s` seconds; after them everything is healed and must recover."""

    lasts_s: float
    strikes: tuple[Strike, ...]


ROUND_S = 40.0
CALM_S = 12.0  # what a round's recovery, its audit and the calm after it take, about
EVERY_S = 1.1  # between two faults, on average
REST_S = 0.7  # a part that broke is whole for so long before it breaks again


def plan(seed: int, seconds: float, kinds: Sequence[Kind]) -> list[Round]:
    """Rounds of random, overlapping faults that fill about so many seconds."""
    chance = random.Random(seed)
    count = max(1, round(seconds / (ROUND_S + CALM_S)))
    lasts_s = max(5.0, seconds / count - CALM_S)
    return [_round(chance, lasts_s, kinds) for _ in range(count)]


def each_once(kinds: Sequence[Kind], lasts_s: float, rest_s: float) -> list[Round]:
    """One round with every kind once, one after the other."""
    step_s = lasts_s + rest_s
    strikes = tuple(
        Strike(round(number * step_s + rest_s, 3), kind, lasts_s, (number + 0.5) / len(kinds))
        for number, kind in enumerate(kinds)
    )
    return [Round(len(kinds) * step_s + rest_s, strikes)]


def _round(chance: random.Random, lasts_s: float, kinds: Sequence[Kind]) -> Round:
    strikes: list[Strike] = []
    free_at: dict[str, float] = {}
    at_s = chance.uniform(0.5, 1.0)
    weights = [kind.weight for kind in kinds]
    while at_s < lasts_s - 0.5:
        # Drawn whether it fits or not, so that a plan depends on nothing but the seed.
        kind = chance.choices(kinds, weights)[0]
        wanted_s = chance.uniform(kind.shortest_s, kind.longest_s)
        detail = chance.random()
        if all(free_at.get(part, 0.0) <= at_s for part in kind.needs):
            strike = Strike(round(at_s, 3), kind, round(min(wanted_s, lasts_s - at_s), 3), detail)
            strikes.append(strike)
            free_at |= dict.fromkeys(kind.needs, strike.ends_s + REST_S)
        at_s += chance.expovariate(1 / EVERY_S)
    return Round(lasts_s, tuple(strikes))
