"""The system under test, whole, and only its Valkey."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.system import FaultySystem
from tests.servers import MariaDB


@pytest.fixture
async def system(mariadb_server: MariaDB) -> AsyncIterator[FaultySystem]:
    async with FaultySystem(mariadb_server) as system:
        yield system
    await system.restart(mariadb_server)


@pytest.fixture
def disk_only() -> Iterator[FaultySystem]:
    """Valkey with its shim on a file system of its own; nothing else runs."""
    system = FaultySystem()
    system.prepare_disk()
    system.valkey.start()
    yield system
    system.remove_servers()
