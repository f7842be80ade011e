"""When requests are due is known beforehand, and shares of a schedule make the whole of it."""

import statistics
from itertools import chain, pairwise

import pytest

from loadtests.open_loop.arrivals import fixed, poisson


def test_fixed_arrivals_are_evenly_spaced() -> None:
    assert list(fixed(4, 1.5)) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_shares_of_fixed_arrivals_make_the_whole() -> None:
    shares = [list(fixed(100, 1, share=share, shares=3)) for share in range(3)]
    assert sorted(chain(*shares)) == list(fixed(100, 1))
    assert {len(share) for share in shares} == {33, 34}


def test_poisson_arrivals_are_the_same_for_the_same_seed() -> None:
    assert list(poisson(50, 2, seed=7)) == list(poisson(50, 2, seed=7))
    assert list(poisson(50, 2, seed=7)) != list(poisson(50, 2, seed=8))


@pytest.mark.parametrize("shares", [1, 4])
def test_poisson_arrivals_have_the_rate_and_the_gaps_of_independent_buyers(shares: int) -> None:
    # Given the shares of one schedule
    arrivals = sorted(
        at_s
        for share in range(shares)
        for at_s in poisson(1_000, 20, seed=3, share=share, shares=shares)
    )

    # Then they are in time, as many as the rate says within five standard deviations, and their
    # gaps scatter as much as they are long
    assert arrivals[0] > 0 and arrivals[-1] < 20
    assert abs(len(arrivals) - 20_000) < 5 * 20_000**0.5
    gaps = [after - before for before, after in pairwise(arrivals)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)


def test_shares_of_poisson_arrivals_are_not_copies() -> None:
    first, second = (set(poisson(100, 1, seed=1, share=share, shares=2)) for share in range(2))
    assert not first & second
