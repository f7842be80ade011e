"""Due times of requests: seconds after the start, in order, independent of the answers."""

import random
from collections.abc import Iterator


def fixed(rate: float, seconds: float, *, share: int = 0, shares: int = 1) -> Iterator[float]:
    """Evenly spaced. With n shares, each has every n-th arrival."""
    for number in range(share, round(rate * seconds), shares):
        yield number / rate


def poisson(
    rate: float, seconds: float, seed: int, *, share: int = 0, shares: int = 1
) -> Iterator[float]:
    """Independent buyers: exponential gaps. All shares together are a Poisson process again."""
    chance = random.Random(f"{seed}/{share}")
    at_s = chance.expovariate(rate / shares)
    while at_s < seconds:
        yield at_s
        at_s += chance.expovariate(rate / shares)
