"""How many people have their turn next: enough that no unit waits, few enough that none is missing.

Some who are called do not come, and some come late. So the keeper learns from the turns of this
line: the share of those who still wait at an age and buy within the next moment (an actuarial life
table). From that follows what a turn takes on average, and what the turns that live now will still
take. Nothing is assumed about the crowd but that it goes on as it did lately. No I/O.
"""

from bisect import bisect_right
from math import ceil, sqrt

from msgspec import Struct, field

AGES = 60  # steps of a turn
LATELY = 200  # turns that are learned from, besides the live ones
MIN_FALL, MAX_FALL = 0.8, 0.99  # of the share that buys, from one age to the next
SURE = 6  # ages after which it is known how that falls
CAUTION = 1.0  # standard deviations kept back, so that hardly anybody comes to an empty shelf
MAX_PER_MILLE = 1_000_000


class Call(Struct):
    """People who were called together, and how many of them bought at each age."""

    first: int
    until: int
    at_ms: int
    bought: list[int] = field(default_factory=lambda: [0] * AGES)

    @property
    def people(self) -> int:
        return self.until - self.first


class Tally(Struct, frozen=True):
    """What became of the turns of a line so far, at `at_ms` by the clock of Redis.

    `in_turn`: people whose turn lives and who have not bought yet. `bought`: turns in which
    somebody reserved. `missed`: turns that passed without it; somebody who had left is one of them,
    because an index that was left stays empty.
    """

    at_ms: int
    in_turn: int
    bought: int
    missed: int


class Advice(Struct, frozen=True):
    """What `line/serve` needs: units that live turns take, and thousandths of a unit a turn."""

    promised: int
    per_mille: int


class Admission:
    """One line, as one keeper sees it. Tell it of every call and every purchase, once."""

    def __init__(self, turn_ms: int, buyer_limit: int) -> None:
        self._turn_ms = turn_ms
        self._limit = buyer_limit
        self._calls: list[Call] = []
        self._ends: list[int] = []
        self._holds = 0
        self._units = 0

    @property
    def serving(self) -> int:
        return self._ends[-1] if self._ends else 0

    def note_call(self, first: int, until: int, at_ms: int) -> None:
        """The positions `first` to `until - 1` have their turn."""
        if until <= self.serving:
            return
        self._calls.append(Call(first, until, at_ms))
        self._ends.append(until)

    def note_hold(self, position: int, units: int, at_ms: int) -> None:
        """Somebody reserved."""
        self._holds += 1
        self._units += units
        number = bisect_right(self._ends, position)
        if number < len(self._calls):
            call = self._calls[number]
            call.bought[self._age(at_ms - call.at_ms)] += 1

    def tally(self, now_ms: int) -> Tally:
        bought = sum(sum(call.bought) for call in self._calls)
        live = sum(call.people - sum(call.bought) for call in self._live(now_ms))
        return Tally(now_ms, max(0, live), bought, max(0, self.serving - live - bought))

    def advise(self, available: int, now_ms: int) -> Advice:
        """How to serve now, with so many units available."""
        chances = self._chances(now_ms)
        whole = max(chances[0], 0.01)
        units = self._units_of_a_hold()
        mean = spread = 0.0
        for call in self._live(now_ms):
            waiting = call.people - sum(call.bought)
            chance = chances[self._age(now_ms - call.at_ms)]
            mean += waiting * chance
            spread += waiting * chance * (1 - chance)
        # Rounded: a turn that has hardly a chance left must not block the last unit until it ends.
        promised = round((mean + CAUTION * sqrt(spread)) * units)
        room = available - promised
        if room <= 0:
            return Advice(promised, MAX_PER_MILLE)
        # So many that their purchases, with the same caution, fit into the room.
        deviation = CAUTION * sqrt(whole * (1 - whole))
        wanted = room / units
        people = ((sqrt(deviation**2 + 4 * whole * wanted) - deviation) / (2 * whole)) ** 2
        per_mille = ceil(1_000 * room / max(people, 0.001))
        return Advice(promised, min(per_mille, MAX_PER_MILLE))

    def _units_of_a_hold(self) -> float:
        """Before anybody bought, everybody may take all that a buyer may have."""
        return (self._limit + self._units) / (1 + self._holds)

    def _live(self, now_ms: int) -> list[Call]:
        found = []
        for call in reversed(self._calls):
            if now_ms - call.at_ms >= self._turn_ms:
                break
            found.append(call)
        return found

    def _chances(self, now_ms: int) -> list[float]:
        """By age: the chance that somebody who has not bought yet will do so in this turn."""
        at_risk, bought = [0.0] * AGES, [0.0] * AGES
        live = len(self._live(now_ms))
        for call in self._calls[max(0, len(self._calls) - live - LATELY) :]:
            waiting = call.people
            passed = min(AGES, (now_ms - call.at_ms) * AGES // self._turn_ms)
            for age in range(passed):
                at_risk[age] += waiting
                bought[age] += call.bought[age]
                waiting -= call.bought[age]
        hazards = _hazards(at_risk, bought)
        chances, none, seen = [0.0] * AGES, 1.0, max(1.0, at_risk[0])
        for age in reversed(range(AGES)):
            none *= 1 - hazards[age]
            # What was learned from few people may be wrong by so much.
            chances[age] = min(1.0, 1 - none + CAUTION * sqrt(none * (1 - none) / seen))
        return chances

    def _age(self, passed_ms: int) -> int:
        return max(0, min(AGES - 1, passed_ms * AGES // self._turn_ms))


def _hazards(at_risk: list[float], bought: list[float]) -> list[float]:
    """By age: the share of those who still wait that buys before the next age.

    Ages that nobody has reached yet go on falling as the known ones do, which is how it is where
    some come soon and others never. Before anything is known, everybody buys. A little of
    "somebody buys at any age" keeps a rare purchase possible.
    """
    hazards = [
        min(1.0, (got + 1 / AGES) / (people + 1)) if people else 1.0
        for people, got in zip(at_risk, bought, strict=True)
    ]
    known = sum(people > 0 for people in at_risk)
    if known == AGES:
        return hazards
    if known < SURE:
        return hazards[:known] + [hazards[known - 1] if known else 1.0] * (AGES - known)
    half = known // 2
    early, late = sum(hazards[:half]) / half, sum(hazards[known - half : known]) / half
    falls = min(MAX_FALL, max(MIN_FALL, (late / early) ** (1 / (known - half))))
    for age in range(known, AGES):
        hazards[age] = hazards[age - 1] * falls
    return hazards
