"""A line on a wrong, older copy of Redis."""

from pathlib import Path

from livesale.resources import Deployment
from stock.line.model import Place
from tests.livesale.line.scenes import gather
from tests.livesale.operations.recovery.scenes import Copies, adopt, broken, recover, write
from tests.livesale.stage import on_both
from tests.servers import Valkey


@on_both
async def test_places_of_a_wrong_copy_follow_at_the_end(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy of Redis from the gathering, and bob who joined since
    drop_id = await gather(stage, opens_in_ms=3_600_000 // 2)
    await stage.engine.line.join(drop_id, ["ann"])
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await stage.engine.line.join(drop_id, ["bob"])
    await write(stage)
    # when cat and bob join on the copy, and ann leaves there
    await copies.put_back(stage.redis)
    outcomes = await stage.engine.line.join(drop_id, ["cat", "bob"])
    assert [outcome.index for outcome in outcomes] == [1, 2]
    await stage.engine.line.leave(drop_id, "ann")
    await recover(stage)
    await adopt(stage)
    # then: one place each; bob keeps the one that SQL had
    places = [await stage.engine.line.place(drop_id, name) for name in ("ann", "bob", "cat")]
    assert places == [Place(0, left=True), Place(1), Place(2)]
    assert await broken(stage) == []
