"""The scale of a run: full, or just enough to see that it runs."""

from msgspec import Struct


class Scale(Struct, frozen=True):
    """The scale of one round, unless a comment says otherwise."""

    rounds: int
    seconds: int  # of each closed-loop cell; wrk takes whole seconds
    passes: int  # over all cells of HTTP
    warm_up_s: int
    buyers: int  # with tokens: more than one run of wrk uses
    open_loop_s: float
    sweep: tuple[float, ...]  # fractions of saturation for the curve, in the last round
    sweep_s: float
    reservations: int  # of each cell of the engine
    written: int  # reservations that the writer moves
    shallow: int  # reservations in the small and the large drop
    deep: int
    turns: int  # of each of these drops
    repeats: int  # of each part; the best one counts
    drops: int  # opened at once
    holds: int  # that expire at once


FULL = Scale(
    rounds=3,
    seconds=2,
    passes=2,
    warm_up_s=1,
    buyers=300_000,
    open_loop_s=5.0,
    sweep=(0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1),
    sweep_s=1.5,
    reservations=50_000,
    written=50_000,
    shallow=10_000,
    deep=1_000_000,
    turns=3,
    repeats=200,
    drops=10_000,
    holds=100_000,
)
QUICK = Scale(
    rounds=1,
    seconds=2,
    passes=1,
    warm_up_s=0,
    buyers=200_000,
    open_loop_s=0.5,
    sweep=(0.2, 0.7),
    sweep_s=0.3,
    reservations=2_000,
    written=2_000,
    shallow=500,
    deep=5_000,
    turns=1,
    repeats=3,
    drops=100,
    holds=500,
)
