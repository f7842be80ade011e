"""A schedule is its seed, and breaks no part twice at once."""

from collections import defaultdict

import pytest

from tests.faults.faults import all_faults, default_kinds
from tests.faults.schedule import REST_S, plan

ROWS = {*range(1, 16)}


def test_a_seed_is_a_schedule() -> None:
    kinds = default_kinds()
    assert plan(11, 180, kinds) == plan(11, 180, kinds)
    assert plan(11, 180, kinds) != plan(12, 180, kinds)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_broken_is_whole_again_before_it_breaks_once_more(seed: int) -> None:
    for one in plan(seed, 120, default_kinds()):
        free_at: defaultdict[str, float] = defaultdict(float)
        for strike in one.strikes:
            assert strike.lasts_s > 0
            assert strike.ends_s <= one.lasts_s + 0.001
            for part in strike.kind.needs:
                assert strike.at_s >= free_at[part]
                free_at[part] = strike.ends_s + REST_S


def test_five_minutes_hold_thirty_kills_and_overlaps() -> None:
    rounds = plan(3, 300, default_kinds())
    strikes = [strike for one in rounds for strike in one.strikes]
    assert sum(strike.kind.kills for strike in strikes) >= 30
    assert any(
        later.at_s < earlier.ends_s
        for one in rounds
        for earlier, later in zip(one.strikes, one.strikes[1:], strict=False)
    )


def test_every_row_of_the_matrix_has_its_fault() -> None:
    by_row = {fault.kind.row for fault in all_faults().values()}
    assert by_row == ROWS


def test_what_needs_recover_is_not_drawn() -> None:
    drawn = {kind.row for kind in default_kinds()}
    assert drawn == ROWS - {12, 15}
