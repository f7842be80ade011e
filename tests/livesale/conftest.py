"""A stage, and the API on it, asked as buyers and operators ask."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from livesale.app import build_app
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.distributed_sql import check_all_statements
from tests.livesale.stage import open_stage
from tests.servers import Valkey

check_all_statements()

Serve = Callable[[Deployment], Awaitable[Api]]


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, redis: Redis, redis_server: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """On SQLite, unless the test says otherwise: `tests.livesale.stage.on_both`."""
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    async with open_stage(redis, redis_server.url, url, tmp_path) as stage:
        yield stage


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a deployment by the runner that production has."""
    running: list[Api] = []

    async def start(deployment: Deployment) -> Api:
        api = Api(build_app(deployment), deployment)
        await api.start()
        running.append(api)
        return api

    yield start
    for api in running:
        await api.stop()


@pytest.fixture
async def api(stage: Deployment, serve: Serve) -> Api:
    return await serve(stage)
