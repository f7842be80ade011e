"""What a worker keeps is out of the collector's sight, however it was started."""

import asyncio
import gc

import pytest

from livesale.processes import memory


@pytest.fixture
def unfrozen() -> object:
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()  # as tests.conftest leaves it


@pytest.mark.usefixtures("unfrozen")
async def test_what_is_there_is_frozen_and_once_more_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WARM_S", 0.0)
    memory.settle_memory()
    at_first = gc.get_freeze_count()
    assert at_first > 10_000
    kept = [[number] for number in range(1_000)]
    await asyncio.sleep(0.01)
    assert gc.get_freeze_count() > at_first + len(kept) // 2  # others went meanwhile
