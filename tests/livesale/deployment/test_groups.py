"""The groups of Sentinels that a process finds are those of the first start, in their order."""

from pathlib import Path

import pytest

from livesale.deployment.embedded import embedded_redis
from livesale.deployment.startup import GROUP_KEY, check_groups
from livesale.errors import Refused
from stock.connection import connect
from stock.topology.router import Shard

TWO = "sentinel://a/x;sentinel://b/y"


async def test_groups_stay_what_they_were_at_the_first_start(tmp_path: Path) -> None:
    async with embedded_redis(tmp_path / "a") as one, embedded_redis(tmp_path / "b") as other:
        first = Shard("group 0", connect(one), (0, 2))
        second = Shard("group 1", connect(other), (1, 3))
        # when one is named twice at the first start, it is not marked by that
        with pytest.raises(Refused, match="two groups of the URL are the same one"):
            await check_groups([second, second], TWO)
        assert await second.redis.get(GROUP_KEY) is None
        await check_groups([first, second], TWO)
        await check_groups([first, second], TWO)
        # then no other order, and no other number
        with pytest.raises(Refused, match="group 1 of 2 of the URL was group 2 of 2 before"):
            await check_groups([second, first], TWO)
        for alone in ("sentinel://a/x", "redis://a"):
            with pytest.raises(Refused, match="group 1 of 1 of the URL was group 1 of 2 before"):
                await check_groups([first], alone)
        # and a group that was marked refuses before the new one is
        await second.redis.delete(GROUP_KEY)
        with pytest.raises(Refused, match="group 2 of 2 of the URL was group 1 of 2 before"):
            await check_groups([second, first], TWO)
        assert await second.redis.get(GROUP_KEY) is None
        for shard in (first, second):
            await shard.redis.aclose()
