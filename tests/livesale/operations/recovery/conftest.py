"""A stage with a Redis of its own, which a test may lose."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from livesale.deployment import watchman
from livesale.deployment.opening import open_deployment
from livesale.resources import Deployment
from livesale.settings import Settings
from stock.connection import connect
from tests.livesale.stage import open_stage
from tests.servers import Valkey


@pytest.fixture
def mortal_redis() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def client(mortal_redis: Valkey) -> AsyncIterator[Redis]:
    redis = connect(mortal_redis.url, connections=16)
    yield redis
    await redis.aclose()


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, client: Redis, mortal_redis: Valkey, tmp_path: Path
) -> AsyncIterator[Deployment]:
    url = request.getfixturevalue(getattr(request, "param", "sqlite_url"))
    async with open_stage(client, mortal_redis.url, url, tmp_path) as stage:
        yield stage


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchman looks five times a second."""
    monkeypatch.setattr(watchman, "LOOK_S", 0.2)


@pytest.fixture
async def deployment(settings: Settings) -> AsyncIterator[Deployment]:
    """By the settings that a module of tests has as its fixture."""
    async with open_deployment(settings, role="test") as deployment:
        yield deployment
