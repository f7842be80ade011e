"""Units idle × seconds: the line's admission against a fixed number of active people, on one trace.

A simulated sale: people who come when they are called, after a while, or not at all; who buy, or
come and do not; who pay, or let the hold expire, so that the unit returns. Both rules see the same
people in the same order. The fixed rule is that of virtual waiting rooms that count people: so many
may be active; a place frees when somebody has bought or their time is over.

    python -m benchmarks.line_admission [--people 100000] [--units 500] [--seeds 5]
"""

import argparse
import heapq
import random
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Protocol

from msgspec import Struct

from livesale.line.admission import Admission

TICK_MS = 250
TURN_MS = 120_000
HOLD_MS = 900_000
RATE = 1_000


class Person(Struct, frozen=True, gc=False):
    """`comes_ms` after the call; −1: never. `pays_ms` after the hold; −1: the hold expires."""

    comes_ms: int
    pays_ms: int


class Result(Struct, frozen=True):
    idle_unit_s: float
    sold_out_s: float
    called: int
    came_in_vain: int
    unsold: int


def trace(
    people: int, seed: int, *, no_shows: float = 0.4, unpaid: float = 0.1, hold_ms: int = HOLD_MS
) -> list[Person]:
    """People come 8 s after their call on average, and pay after 40 s, in time."""
    chance = random.Random(seed)
    found = []
    for _ in range(people):
        comes = int(min(chance.expovariate(1 / 8_000), TURN_MS - 1))
        pays = int(min(chance.expovariate(1 / 40_000), hold_ms * 0.95))
        found.append(
            Person(
                -1 if chance.random() < no_shows else comes,
                -1 if chance.random() < unpaid else pays,
            )
        )
    return found


class Rule(Protocol):
    def called(self, first: int, until: int, now_ms: int) -> None: ...
    def bought(self, position: int, now_ms: int) -> None: ...
    def wants(self, available: int, now_ms: int) -> int: ...


class Learning:
    """The rule of livesale."""

    def __init__(self) -> None:
        self._admission = Admission(TURN_MS, 1)

    def called(self, first: int, until: int, now_ms: int) -> None:
        self._admission.note_call(first, until, now_ms)

    def bought(self, position: int, now_ms: int) -> None:
        self._admission.note_hold(position, 1, now_ms)

    def wants(self, available: int, now_ms: int) -> int:
        advice = self._admission.advise(available, now_ms)
        return ceil((available - advice.promised) * 1_000 / advice.per_mille)


class FixedActive:
    """So many people are active at once; one is until they have bought or their turn is over."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._active: dict[int, int] = {}
        self._ends: list[tuple[int, int]] = []

    def called(self, first: int, until: int, now_ms: int) -> None:
        for position in range(first, until):
            self._active[position] = now_ms + TURN_MS
            heapq.heappush(self._ends, (now_ms + TURN_MS, position))

    def bought(self, position: int, now_ms: int) -> None:
        self._active.pop(position, None)

    def wants(self, available: int, now_ms: int) -> int:
        while self._ends and self._ends[0][0] <= now_ms:
            self._active.pop(heapq.heappop(self._ends)[1], None)
        return self._most - len(self._active) if available else 0


def play(
    people: list[Person],
    units: int,
    rule: Rule,
    limit_ms: int = 24 * 3_600_000,
    *,
    hold_ms: int = HOLD_MS,
) -> Result:
    """A sale by one rule, until every unit is paid for or nobody is left to be called."""
    available, sold, serving = units, 0, 0
    events: list[tuple[int, int, int]] = []  # when, what (0 comes, 1 pays, 2 expires), who
    idle = in_vain = now_ms = waiting = 0
    sold_out_ms = -1
    while sold < units and now_ms < limit_ms:
        if serving < len(people):
            count = min(
                rule.wants(available, now_ms), RATE * TICK_MS // 1000, len(people) - serving
            )
            if count > 0:
                rule.called(serving, serving + count, now_ms)
                for position in range(serving, serving + count):
                    if people[position].comes_ms >= 0:
                        heapq.heappush(events, (now_ms + people[position].comes_ms, 0, position))
                serving += count
        elif not events:
            break
        end_ms, at_ms = now_ms + TICK_MS, now_ms
        while events and events[0][0] < end_ms:
            when, what, position = heapq.heappop(events)
            idle += available * (when - at_ms)
            at_ms = when
            if what == 0 and available:
                available -= 1
                rule.bought(position, when)
                pays = people[position].pays_ms
                kind = (when + pays, 1) if pays >= 0 else (when + hold_ms, 2)
                heapq.heappush(events, (*kind, position))
                if not available and sold_out_ms < 0:
                    sold_out_ms = when
            elif what == 0:
                in_vain += 1
            elif what == 1:
                sold += 1
            else:
                available += 1
        idle += available * (end_ms - at_ms)
        now_ms = end_ms
        waiting = units - sold
    return Result(idle / 1000, sold_out_ms / 1000, serving, in_vain, waiting)


def compare(people: int, units: int, seeds: int) -> list[tuple[str, list[Result]]]:
    """The learning rule, and fixed numbers of active people from a tenth of the units up."""
    sizes = sorted({max(1, units // 10), units // 4, units // 2, units})
    rules: list[tuple[str, Callable[[], Rule]]] = [("livesale", Learning)]
    rules += [(f"fixed, {most} active", partial(FixedActive, most)) for most in sizes]
    return [
        (name, [play(trace(people, seed), units, make()) for seed in range(seeds)])
        for name, make in rules
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    print("| rule | units idle × s | first sold out after s | called | came in vain | unsold |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, results in compare(given.people, given.units, given.seeds):
        mean = [
            sum(getattr(result, field) for result in results) / len(results)
            for field in Result.__struct_fields__
        ]
        idle, sold_out, called, in_vain, unsold = mean
        print(
            f"| {name} | {idle:,.0f} | {sold_out:,.0f} | {called:,.0f} | {in_vain:,.1f} "
            f"| {unsold:,.1f} |"
        )


if __name__ == "__main__":
    main()
