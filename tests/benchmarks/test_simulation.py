"""The simulation keeps its own books: a unit that is lost or exists twice ends the run."""

from collections.abc import Callable

import pytest

from benchmarks.simulation.buckets import Bucket, Drop
from benchmarks.simulation.costs import Costs, Line
from benchmarks.simulation.plays import Fleet, Layout, Outcome, drive, sell
from benchmarks.simulation.worker import Rules

# Round numbers: what is true here must not depend on a machine.
COSTS = Costs(
    engine=Line(50e-6, 5e-6),
    script=Line(50e-6, 10e-6),
    refusal=Line(40e-6, 5e-6),
    fsync=Line(100e-6, 0),
    confirm=Line(100e-6, 0),
    confirm_cpu=10e-6,
    move=30e-6,
    look=20e-6,
    request=70e-6,
    shortcut=60e-6,
    row=60e-6,
    loopback=20e-6,
    network=100e-6,
    bytes_in=100,
    bytes_out=100,
)
UNITS = 1_000
RULES = Rules()


def sale(
    seed: int = 1, rules: Rules = RULES, after: Callable[[Drop], None] = lambda _: None
) -> Outcome:
    """2,500 buyers at 10,000 a second, over eight primaries: buckets run dry one by one."""
    fleet = Fleet(8, 3, replicated=True)
    return sell(
        COSTS, fleet, units=UNITS, rate=10_000, seconds=0.25, seed=seed, rules=rules, after=after
    )


@pytest.mark.parametrize("rules", [Rules(), Rules(claims=False), Rules(dies_every=2)])
def test_a_drop_in_buckets_sells_every_unit_once_and_says_sold_out_truly(rules: Rules) -> None:
    # When buckets run dry, and units move between them, though each second thief may die
    found = sale(rules=rules)

    # Then every unit is sold, nobody was told "sold out" too early, and the run was audited
    assert (found.held, found.unsold, found.false_sold_out) == (UNITS, 0, 0)
    assert found.transfers > 5
    assert (found.torn > 0) == bool(rules.dies_every)


def test_the_same_seed_gives_the_same_run() -> None:
    assert sale(seed=3) == sale(seed=3) != sale(seed=4)


def test_a_lost_or_doubled_unit_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    take, reserve = Bucket.take, Bucket.reserve

    def forget(bucket: Bucket, give_id: int, units: int) -> None:
        bucket.taken[give_id] = units  # and the units are nowhere

    def double(bucket: Bucket, give_id: int, units: int) -> None:
        take(bucket, give_id, units)
        bucket.available += 1
        bucket.allotted += 1

    def oversell(bucket: Bucket, buyer: int) -> str:
        code = reserve(bucket, buyer)
        bucket.available += code == "held" and buyer % 100 == 0
        return code

    for name, broken in (("take", forget), ("take", double), ("reserve", oversell)):
        with monkeypatch.context() as patch:
            patch.setattr(Bucket, name, broken)
            with pytest.raises(AssertionError, match=r"units|books"):
                sale()

    # And answers that were never given, or given twice
    with pytest.raises(AssertionError, match="answers"):
        sale(after=lambda drop: drop.told.popitem() and None)
    with pytest.raises(AssertionError, match="told of"):
        sale(after=lambda drop: drop.tell(next(iter(drop.told)), "held"))


def test_sold_out_without_the_double_collect_would_be_called_false() -> None:
    drop = Drop(8, 8)
    drop.buckets[0].reserve(1)
    drop.tell(2, "sold_out")
    assert drop.false_sold_out == 1


def test_two_servers_on_two_cores_sell_twice_as_much_as_on_one() -> None:
    one = drive(COSTS, Layout("", ((0, (0,)),)), 64)
    assert drive(COSTS, Layout("", ((0, (0,)), (1, (1,)))), 64) == pytest.approx(2 * one, rel=0.01)
    # All calls wait for one core: 2 × 50 µs a call, and 15 µs an attempt, without a free moment
    assert one == pytest.approx(64 / (100e-6 + 64 * 15e-6), rel=0.12)
