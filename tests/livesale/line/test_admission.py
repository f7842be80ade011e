"""Admission: no unit waits long, hardly anybody comes to an empty shelf, whoever does not come."""

from math import ceil

import pytest

from benchmarks.line_admission import FixedActive, Learning, play, trace
from livesale.line.admission import Admission

TURN_MS = 120_000


def wanted(admission: Admission, available: int, now_ms: int) -> int:
    advice = admission.advise(available, now_ms)
    return ceil((available - advice.promised) * 1_000 / advice.per_mille)


def test_before_anything_is_known_everybody_buys_all_that_they_may() -> None:
    assert wanted(Admission(TURN_MS, 1), 500, 0) == 500
    assert wanted(Admission(TURN_MS, 5), 500, 0) == 100


def test_live_turns_are_not_promised_twice() -> None:
    admission = Admission(TURN_MS, 1)
    admission.note_call(0, 500, 0)
    assert wanted(admission, 500, 250) <= 0


def test_people_who_do_not_come_make_room_before_their_turn_is_over() -> None:
    admission = Admission(TURN_MS, 1)
    admission.note_call(0, 500, 0)
    for position in range(300):  # three of five come within twelve seconds
        admission.note_hold(position, 1, position * 40)
    called = wanted(admission, 200, 40_000)
    assert 200 < called < 400


def test_a_turn_that_is_over_promises_nothing() -> None:
    admission = Admission(TURN_MS, 1)
    admission.note_call(0, 10, 0)
    assert admission.advise(10, TURN_MS).promised == 0
    assert wanted(admission, 10, TURN_MS) >= 10


def test_one_unit_is_never_stalled_by_however_many_no_shows() -> None:
    admission, serving = Admission(TURN_MS, 1), 0
    for turn in range(50):
        count = wanted(admission, 1, turn * TURN_MS)
        assert count >= 1
        admission.note_call(serving, serving + count, turn * TURN_MS)
        serving += count


def test_the_last_unit_does_not_wait_for_the_end_of_a_turn_that_nobody_takes() -> None:
    admission = Admission(TURN_MS, 1)
    admission.note_call(0, 100, 0)
    for position in range(60):  # who comes does so within ten seconds
        admission.note_hold(position, 1, position * 160)
    admission.note_call(100, 101, TURN_MS)  # for a unit that has returned
    waits = [wanted(admission, 1, TURN_MS + at_ms) for at_ms in (1_000, 60_000)]
    assert waits[0] <= 0 < waits[1]


def test_an_old_call_is_not_noted_twice() -> None:
    admission = Admission(TURN_MS, 1)
    admission.note_call(0, 5, 0)
    admission.note_call(0, 5, 0)
    assert admission.serving == 5


@pytest.mark.parametrize(
    ("no_shows", "share", "in_vain"), [(0.0, 0.34, 20), (0.4, 0.1, 20), (0.8, 0.1, 100)]
)
def test_every_unit_is_sold_and_units_hardly_wait(
    no_shows: float, share: float, in_vain: int
) -> None:
    """Beside a fixed number of active people, a tenth of the units, on the same trace."""
    people = trace(2_000, 1, no_shows=no_shows)
    ours = play(people, 100, Learning())
    fixed = play(people, 100, FixedActive(10))
    assert ours.unsold == 0
    assert ours.idle_unit_s < fixed.idle_unit_s * share
    assert ours.came_in_vain < in_vain
