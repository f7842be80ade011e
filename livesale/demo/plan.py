"""Plans each buyer's arrival, quantity and behaviour. No I/O."""

import random

from msgspec import Struct

from livesale.demo.options import DemoOptions

EARLY_S = 1.5
BUYER_LIMIT = 3


class Visit(Struct, frozen=True, gc=False):
    """One buyer. `at_s` is seconds from the opening; negative: the first request comes too early.

    `keyed` buyers send an Idempotency-Key; `doubles` send every request twice at once, `repeats`
    send it again with the same key after the answer; `walks_away` does not pay the first hold;
    `patient` buyers ask again after "sold out".
    """

    at_s: float
    quantity: int
    keyed: bool = True
    doubles: bool = False
    repeats: bool = False
    walks_away: bool = False
    patient: bool = False
    pays_after_s: float = 1.0


def plan_visits(options: DemoOptions, seed: int) -> list[Visit]:
    """A spike at the opening, then a tail; the same seed gives the same crowd."""
    chance = random.Random(seed)
    return [_visit(options, chance) for _ in range(options.people)]


def _visit(options: DemoOptions, chance: random.Random) -> Visit:
    early = chance.random() < 0.03
    habit = chance.random()
    return Visit(
        at_s=-chance.uniform(0.05, EARLY_S) if early else _arrival_s(options, chance),
        quantity=chance.choices(range(1, BUYER_LIMIT + 1), weights=(6, 3, 1))[0],
        keyed=habit < 0.8,
        doubles=habit < 0.05,
        repeats=0.05 <= habit < 0.12,
        walks_away=chance.random() < 0.15,
        patient=chance.random() < 0.05,
        pays_after_s=chance.uniform(0.2, 2.2),
    )


def _arrival_s(options: DemoOptions, chance: random.Random) -> float:
    """Half of the crowd comes right after the opening, the other half over time."""
    spike_s = min(options.people / 6_000, options.seconds / 6)
    tail_s = options.seconds / 3
    come_s = chance.expovariate(1 / (spike_s if chance.random() < 0.5 else tail_s))
    return come_s if come_s < options.seconds else chance.uniform(0, options.seconds)
