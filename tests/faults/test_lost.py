"""Rows 12 and 15, as far as they go without `livesale recover`."""

import pytest

from tests.faults.faults import all_faults
from tests.faults.lost import Emptied, Promoted
from tests.faults.play import Play
from tests.faults.schedule import Strike
from tests.faults.system import FaultySystem

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


async def test_an_emptied_redis_sells_nothing(system: FaultySystem) -> None:
    # Given a drop that sells
    play = Play(system, all_faults(), seed=1)
    play.world.hang_up = 0.0
    drop_id = await play.operators.open_one(100)
    assert drop_id is not None
    assert (await play.load.buy_one(drop_id)).answers
    await system.wait_until_ready()

    # When Redis loses everything
    await Emptied(system, play.world, Strike(0.0, Emptied.kind, 1.0, 0.5)).start()

    # Then nobody gets anything, and nothing is called sold out
    claims = [play.load.claim(drop_id, 1, keyed=True) for _ in range(40)]
    for claim in claims:
        await play.load.ask(claim)
    assert [claim.answers for claim in claims] == [[]] * 40
    assert {one.code for claim in claims for one in claim.tries} == {"fenced"}
    await play.close()


async def test_a_replica_in_sync_takes_over(system: FaultySystem) -> None:
    # Given a drop that sells, and a replica that has all of it
    play = Play(system, all_faults(), seed=1)
    play.world.hang_up = 0.0
    drop_id = await play.operators.open_one(100)
    assert drop_id is not None
    claim = await play.load.buy_one(drop_id)
    promotion = Promoted(system, play.world, Strike(0.0, Promoted.kind, 1.0, 0.5))
    await promotion.start()

    # When the primary dies and the replica takes its place
    await promotion.repair()

    # Then what was answered is still so, the sale goes on, and SQL follows
    assert await play.load.ask(claim) == "replayed"
    assert (await play.load.buy_one(drop_id)).answers
    await system.wait_until_ready()
    assert await system.audit() == []
    await play.close()
