"""The system under test, whole, and only its Valkey."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.system import FaultySystem


@pytest.fixture
async def system() -> AsyncIterator[FaultySystem]:
    async with FaultySystem() as system:
        yield system


@pytest.fixture
def disk_only() -> Iterator[FaultySystem]:
    """Valkey with its shim on a file system of its own; nothing else runs."""
    system = FaultySystem()
    system.prepare_disk()
    system.valkey.start()
    yield system
    system.remove_servers()
