"""Short runs of the suite itself: every kind of fault once, and a seeded storm.

`make test` runs the first, `make soak` both; `make faults` runs for minutes.
"""

import pytest

from tests.faults.faults import all_faults, default_kinds
from tests.faults.play import Play, Result
from tests.faults.schedule import each_once, plan
from tests.faults.system import FaultySystem

SEED = 20_261_111
RATE = 60.0
QUIET_RATE = 15.0  # enough for each fault to meet claims

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def wrong(result: Result) -> list[str]:
    """What was broken, each in a sentence."""
    return [line for finding in result.findings for line in finding.wrong] + result.audit


async def test_each_fault_once(system: FaultySystem) -> None:
    # Given a schedule with every kind once, one after the other, and buyers
    kinds = default_kinds()
    play = Play(system, all_faults(), SEED, rate=QUIET_RATE, calm_rate=QUIET_RATE)

    # When it is played, then every promise holds, and none of them was missed
    result = await play.run(each_once(kinds, lasts_s=0.3, rest_s=0.4))
    assert wrong(result) == []
    assert result.faults == {kind.name: 1 for kind in kinds}
    assert sum(result.kills.values()) >= sum(kind.kills for kind in kinds)
    assert result.acknowledged > 0
    assert result.lines > 0


@pytest.mark.soak
async def test_a_storm(system: FaultySystem) -> None:
    # Given half a minute of overlapping faults, the same ones each time
    rounds = plan(SEED, 30, default_kinds())
    play = Play(system, all_faults(), SEED, rate=RATE)

    # When they strike, then every promise holds
    result = await play.run(rounds)
    assert wrong(result) == []
    assert sum(result.faults.values()) + result.missed == sum(len(one.strikes) for one in rounds)
    assert result.acknowledged > 0
    assert len(result.recoveries) == len(rounds)
