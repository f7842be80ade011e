"""How many people there are at each second."""

import itertools

from loadtests.curves import FILL, QUIET, ROOM_S, STEP_S, live_room, ramp, soak, spike


def test_a_spike_is_there_before_the_opening_and_stays_to_the_end() -> None:
    users, rate = spike(0, 500, 60) or (0, 0)
    assert users == 500
    assert users / rate <= FILL * 60  # all have come when the doors open
    assert spike(59.9, 500, 60) == (users, rate)
    assert spike(60, 500, 60) is None


def test_a_small_crowd_still_comes() -> None:
    assert spike(0, 1, 5) == (1, 1.0)
    assert live_room(0, 1, 10, []) == (1, 1.0)
    assert ramp(0, 1, 5, broken=False) == (1, 1.0)


def test_a_live_room_is_full_around_each_drop() -> None:
    opens = [15.0, 45.0]
    full = [second for second in range(60) if (live_room(second, 300, 60, opens) or (0,))[0] == 300]
    around = [second for second in range(60) if any(abs(second - at) <= ROOM_S for at in opens)]
    assert set(around) - set(full) <= {15 + ROOM_S, 45 + ROOM_S}  # the last second is open
    assert set(full) <= set(around)
    between = live_room(30, 300, 60, opens)
    assert between is not None
    assert between[0] == QUIET * 300
    assert live_room(60, 300, 60, opens) is None


def test_a_soak_rises_slowly() -> None:
    assert soak(0, 100, 600) == (100, 100 / 30)
    assert soak(0, 100, 60) == (100, 100 / 6)
    assert soak(600, 100, 600) is None


def test_a_ramp_rises_by_equal_steps_to_all_of_them() -> None:
    crowds = [ramp(second, 600, 120, broken=False) for second in range(120)]
    users = [crowd[0] for crowd in crowds if crowd is not None]
    assert len(users) == 120
    assert users == sorted(users)
    levels = sorted(set(users))
    assert {after - before for before, after in itertools.pairwise(levels)} == {50}
    assert (levels[0], levels[-1]) == (50, 600)
    # each is reached well before the next
    assert all(50 / crowd[1] < STEP_S / 2 for crowd in crowds if crowd is not None)
    assert ramp(120, 600, 120, broken=False) is None


def test_a_ramp_ends_when_something_gives_way() -> None:
    assert ramp(30, 600, 120, broken=True) is None
