"""A campaign with a limit on a wrong, older copy of Redis."""

from pathlib import Path

from sqlalchemy import select

from livesale.database import engine as database
from livesale.ledger.campaign_units import units_of
from livesale.ledger.tables import orders
from livesale.resources import Deployment
from tests.livesale.operations.recovery.scenes import Copies, adopt, broken, recover, write
from tests.livesale.sales.test_campaign_limit import SUMMER, open_two, take
from tests.servers import Valkey


async def test_a_wrong_copy_gives_nobody_more_than_the_limit(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    one, two = await open_two(stage)
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await take(stage, one, "ann", 2)
    await write(stage)
    # when the copy, which knows nothing of it, gives her two of the other drop
    await copies.put_back(stage.redis)
    assert (await take(stage, two, "ann", 2)).startswith(two)
    await recover(stage)
    await adopt(stage)
    async with database.snapshot(stage.sql) as connection:
        assert await units_of(connection, SUMMER) == {"ann": 2}
        states = await connection.scalars(select(orders.c.state).order_by(orders.c.state))
        assert list(states) == ["held", "released"]
    assert await broken(stage) == []
