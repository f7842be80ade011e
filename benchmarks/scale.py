"""The scale of a run: full, or just enough to see that it runs."""

from msgspec import Struct


class Scale(Struct, frozen=True):
    """The scale of one round, unless a comment says otherwise."""

    rounds: int
    rounds_of_others: int  # of the figures besides the hot path
    seconds: int  # of each closed-loop cell; wrk takes whole seconds
    passes: int  # over all cells of HTTP
    warm_up_s: int
    buyers: int  # with tokens: more than one run of wrk uses
    sold_out_buyers: int  # who hold a unit of the drop that is sold out to many
    tail_turns: int  # of the open loop at 70 %, without and during a rewrite
    tail_s: float
    tail_keys: int  # other keys in Redis there, so that a rewrite has something to write
    due_bytes: int  # of the AOF, from which Redis by its defaults rewrites it
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
    rounds=5,
    rounds_of_others=3,
    seconds=2,
    passes=1,
    warm_up_s=1,
    buyers=300_000,
    sold_out_buyers=1_000_000,
    tail_turns=4,
    tail_s=4.0,
    tail_keys=300_000,
    due_bytes=64 << 20,
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
    rounds_of_others=1,
    seconds=2,
    passes=1,
    warm_up_s=0,
    buyers=200_000,
    sold_out_buyers=2_000,
    tail_turns=1,
    tail_s=0.5,
    tail_keys=1_000,
    due_bytes=1 << 10,
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
