"""Who comes when, wants how much, and behaves how. No I/O."""

import random

from msgspec import Struct

from livesale.demo.options import BUYER_LIMIT, DemoOptions

EARLY_S = 1.5


class Buyer(Struct, frozen=True, gc=False):
    """One buyer's character. Times are seconds from the opening.

    `keyed` buyers send an Idempotency-Key; `doubles` send every request twice at once, `repeats`
    ask again with the same key after the answer; `walks_away` leaves the first hold unpaid;
    `patient` buyers ask again when told it is sold out, for what is left.
    """

    buyer_id: str
    token: str
    at_s: float
    quantity: int
    early_s: float | None = None
    keyed: bool = True
    doubles: bool = False
    repeats: bool = False
    walks_away: bool = False
    patient: bool = False
    pays_after_s: float = 1.0


def buyer_ids(options: DemoOptions, prefix: str) -> list[str]:
    """The ids of the crowd; `prefix` keeps two demos on one deployment apart."""
    return [f"{prefix}-{number}" for number in range(1, options.buyers + 1)]


def plan_crowd(options: DemoOptions, tokens: dict[str, str], seed: int) -> list[Buyer]:
    """A spike at the opening, then a tail; the same crowd for the same seed."""
    chance = random.Random(seed)
    return [_buyer(options, buyer_id, token, chance) for buyer_id, token in tokens.items()]


def arrival_s(options: DemoOptions, chance: random.Random) -> float:
    """Half the crowd waits for the opening and comes within moments, the other half drops in."""
    spike_s = min(options.buyers / 6_000, options.seconds / 6)
    tail_s = options.seconds / 3
    come_s = chance.expovariate(1 / (spike_s if chance.random() < 0.5 else tail_s))
    return come_s if come_s < options.seconds else chance.uniform(0, options.seconds)


def _buyer(options: DemoOptions, buyer_id: str, token: str, chance: random.Random) -> Buyer:
    at_s = arrival_s(options, chance)
    quantity = chance.choices(range(1, BUYER_LIMIT + 1), weights=(6, 3, 1))[0]
    habit = chance.random()
    return Buyer(
        buyer_id,
        token,
        at_s,
        quantity,
        early_s=chance.uniform(0.05, EARLY_S) if chance.random() < 0.03 else None,
        keyed=habit < 0.8,
        doubles=habit < 0.05,
        repeats=0.05 <= habit < 0.12,
        walks_away=chance.random() < 0.15,
        patient=chance.random() < 0.05,
        pays_after_s=chance.uniform(0.2, 2.2),
    )
