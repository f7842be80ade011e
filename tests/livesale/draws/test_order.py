"""The order of a line: a permutation, uniform, and exactly what docs/line.md says."""

import hashlib
import hmac
import random
from collections import Counter

import pytest

from livesale.draws.order import Order

SEED = "5e" * 32
CLOSING = "1790000000000-3"


def by_the_book(seed: str, n0: int, closing_id: str, index: int) -> int:
    """docs/line.md, "The order, exactly", read by somebody who does not know our code."""
    if index >= n0:
        return index
    key = hmac.new(
        bytes.fromhex(seed), (str(n0) + ":" + closing_id).encode("ascii"), hashlib.sha256
    ).digest()
    bits = 6
    while 2**bits < n0:
        bits += 2
    side = 2 ** (bits // 2)
    while True:
        left, right = divmod(index, side)
        for number in range(7):
            message = bytes([number]) + right.to_bytes(8, "big")
            digest = hmac.new(key, message, hashlib.sha256).digest()
            mixed = int.from_bytes(digest[:8], "big") % side
            left, right = right, left ^ mixed
        index = left * side + right
        if index < n0:
            return index


@pytest.mark.parametrize("n0", [1, 2, 3, 7, 8, 63, 64, 65, 100, 1_000, 4_096, 4_097])
def test_everybody_has_a_position_of_their_own(n0: int) -> None:
    order = Order(SEED, n0, CLOSING)
    positions = [order.position_of(index) for index in range(n0)]
    assert sorted(positions) == list(range(n0))
    assert [order.index_at(position) for position in positions] == list(range(n0))


def test_who_came_later_stays_behind_in_order() -> None:
    order = Order(SEED, 5, CLOSING)
    assert [order.position_of(index) for index in (5, 6, 10**6)] == [5, 6, 10**6]
    assert [order.index_at(position) for position in (5, 10**6)] == [5, 10**6]


@pytest.mark.parametrize("n0", [1, 2, 5, 64, 65, 999, 70_001, 10_000_000])
def test_an_independent_reading_of_the_text_gives_the_same(n0: int) -> None:
    order = Order(SEED, n0, CLOSING)
    for index in {0, 1, n0 // 3, n0 // 2, n0 - 1, n0}:
        assert order.position_of(index) == by_the_book(SEED, n0, CLOSING, index)


def test_the_order_needs_all_three() -> None:
    whole = [Order(SEED, 1_000, CLOSING).position_of(index) for index in range(50)]
    for other in (
        Order("5f" * 32, 1_000, CLOSING),
        Order(SEED, 1_001, CLOSING),
        Order(SEED, 1_000, "1790000000000-4"),
    ):
        assert [other.position_of(index) for index in range(50)] != whole


def chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize("n0", [2, 5, 12, 40])
def test_every_place_reaches_every_position_equally_often(n0: int) -> None:
    """Chi-square over many seeds: 5 standard deviations above its mean is one in a million."""
    rounds = 4_000
    randomness = random.Random(16)
    seeds = [randomness.randbytes(32).hex() for _ in range(rounds)]
    orders = [Order(seed, n0, CLOSING) for seed in seeds]
    freedom = n0 - 1
    for index in (0, 1, n0 - 1):
        found = Counter(order.position_of(index) for order in orders)
        value = chi_square([found[position] for position in range(n0)], rounds / n0)
        assert value < freedom + 5 * (2 * freedom) ** 0.5 + 5


def test_pairs_are_uniform_too() -> None:
    """Neighbours in time are no neighbours in the order."""
    n0, rounds = 8, 6_000
    randomness = random.Random(17)
    pairs: Counter[tuple[int, int]] = Counter()
    for _ in range(rounds):
        order = Order(randomness.randbytes(32).hex(), n0, CLOSING)
        pairs[order.position_of(3), order.position_of(4)] += 1
    cells = [(a, b) for a in range(n0) for b in range(n0) if a != b]
    value = chi_square([pairs[cell] for cell in cells], rounds / len(cells))
    freedom = len(cells) - 1
    assert value < freedom + 5 * (2 * freedom) ** 0.5


def test_the_time_of_joining_does_not_correlate_with_the_rank() -> None:
    """Within one line of 20,000: the correlation is within 4 standard deviations of 0."""
    n0 = 20_000
    order = Order(SEED, n0, CLOSING)
    mean = (n0 - 1) / 2
    variance = (n0 * n0 - 1) / 12
    shared = sum((i - mean) * (order.position_of(i) - mean) for i in range(n0)) / n0
    assert abs(shared / variance) < 4 / n0**0.5
