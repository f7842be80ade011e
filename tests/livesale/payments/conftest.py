"""A shop that is paid by WeChat Pay."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.livesale.payments.shop import Shop, open_shop
from tests.servers import Valkey


@pytest.fixture
async def shop(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Shop]:
    async with open_shop(redis, redis_server.url, sqlite_url, tmp_path) as shop:
        yield shop
