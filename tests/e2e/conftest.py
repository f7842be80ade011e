from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.e2e.system import Shop, System


@pytest.fixture(scope="package")
def system_with_rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose rooms do without a host's heartbeats. What a test kills in it comes back."""
    system = System(tmp_path_factory.mktemp("rooms"), LIVESALE__LIVE__HEARTBEAT_MS="600000")
    system.start()
    yield system
    assert system.stop() == 0


@pytest.fixture
async def shop(system_with_rooms: System) -> AsyncIterator[Shop]:
    await system_with_rooms.wait_until_ready()
    async with aiohttp.ClientSession() as client:
        yield Shop(system_with_rooms, client)
