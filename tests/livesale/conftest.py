"""A stage on each database: the queries are the same, the dialects are not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from livesale.resources import Deployment
from tests.livesale.stage import open_stage
from tests.servers import Valkey


@pytest.fixture(params=["mariadb_url", "sqlite_url"])
async def stage(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(request.param)
    async with open_stage(redis, redis_server.url, url, tmp_path) as stage:
        yield stage
