"""The script of the live room: the same for everybody who plays it, and each beat once."""

import itertools
import random

from livesale.seeds.goods import GOODS
from livesale.seeds.people import PEOPLE
from livesale.seeds.player import due
from livesale.seeds.script import ROUND_S, TEA, TEA_UNITS, Act, likes_at, plan_round, viewers_at

HOUR_MS = 3_600_000


def test_a_round_is_the_same_whoever_plays_it() -> None:
    assert plan_round(7) == plan_round(7) != plan_round(8)
    for number in range(30):
        beats = plan_round(number)
        assert all(0 < beat.at_s < ROUND_S for beat in beats)
        claimed = [b for b in beats if b.what == TEA and b.act in (Act.CLAIM, Act.BUY)]
        assert len([b for b in claimed if b.at_s < 60]) == TEA_UNITS  # it sells out
        assert len({b.who for b in claimed}) == len(claimed)


def test_each_beat_is_due_once_wherever_the_ticks_fall() -> None:
    # Given ticks at odd times, over two rounds
    chance, times = random.Random(1), [1]
    while times[-1] < ROUND_S * 1_900:
        times.append(times[-1] + chance.randint(1, 5_000))
    # When they are played one after the other
    played = [one for a, b in itertools.pairwise(times) for one in due(0, a, b)]
    # Then nothing is missed or doubled
    assert played == due(0, times[0], times[-1])
    assert [beat for number, beat in played if number == 0] == plan_round(0)


def test_after_a_long_silence_only_the_last_rounds_are_played() -> None:
    assert {number for number, _ in due(0, 1, HOUR_MS)} == {14}


def test_somebody_always_watches() -> None:
    assert all(viewers_at(second) >= 40 for second in range(0, 90_000, 7))
    assert all(1 <= likes_at(second, random.Random(second)) <= 18 for second in range(500))


def test_everybody_and_everything_has_a_drawing() -> None:
    from livesale.seeds.pictures.goods import GOODS as DRAWN
    from livesale.seeds.pictures.people import LOOKS

    assert {goods.picture for goods in GOODS} == DRAWN.keys()
    assert {person.name for person in PEOPLE} | {"host"} == LOOKS.keys()
