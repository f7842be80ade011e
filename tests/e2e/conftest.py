from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.system import Shop, open_shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A system whose rooms do without a host's heartbeats."""
    async with open_shop(tmp_path, LIVESALE__LIVE__HEARTBEAT_MS="600000") as shop:
        yield shop
