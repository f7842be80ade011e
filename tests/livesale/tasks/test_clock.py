"""The clock of Redis as a process knows it."""

import asyncio
from typing import Any

import pytest

from livesale.tasks import clock as module
from livesale.tasks.clock import Clock
from stock.errors import Unreachable
from stock.gateway import RedisEngine


class Engine:
    """An engine whose clock the test sets; asking it may take time."""

    def __init__(self, now_ms: int) -> None:
        self.ms = now_ms
        self.fault: Exception | None = None

    async def now_ms(self, partition: int | None = None) -> int:
        if self.fault is not None:
            raise self.fault
        return self.ms


class Monotonic:
    s = 1_000.0

    def monotonic(self) -> float:
        return self.s

    def time(self) -> float:
        return 5_000.0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    watch = Monotonic()
    monkeypatch.setattr(module, "time", watch)
    return watch


async def test_it_follows_redis_and_runs_on_between(watch: Monotonic) -> None:
    engine: Any = Engine(now_ms=7_000_000)
    clock = Clock(engine)
    assert clock.now_ms() == 5_000_000  # this machine's time, until Redis has answered
    await clock.read()
    assert clock.now_ms() == 7_000_000
    watch.s += 2.5
    assert clock.now_ms() == 7_002_500


async def test_it_never_steps_backwards(watch: Monotonic) -> None:
    engine: Any = Engine(now_ms=7_000_000)
    clock = Clock(engine)
    await clock.read()
    before_ms = clock.now_ms()
    # when Redis's clock is set back a little
    engine.ms -= 300
    await clock.read()
    # then it stands until the other has caught up
    assert clock.now_ms() == before_ms
    watch.s += 0.2
    assert clock.now_ms() == before_ms
    watch.s += 0.2
    assert clock.now_ms() == before_ms + 100


async def test_an_hour_ahead_is_followed_back_at_the_next_reading(watch: Monotonic) -> None:
    engine: Any = Engine(now_ms=7_000_000)
    clock = Clock(engine)
    await clock.read()
    # given: Redis's clock is an hour ahead for four seconds
    engine.ms += 3_600_000
    await clock.read()
    assert clock.now_ms() == 10_600_000
    watch.s += 4.0
    engine.ms -= 3_600_000 - 4_000
    # when
    await clock.read()
    # then
    assert clock.now_ms() == 7_004_000
    watch.s += 1.0
    assert clock.now_ms() == 7_005_000


async def test_the_way_there_and_back_is_allowed_for(
    watch: Monotonic, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = Engine(now_ms=7_000_000)
    clock = Clock(engine)

    async def slow() -> int:
        watch.s += 0.1
        value = 7_000_100
        watch.s += 0.1
        return value

    monkeypatch.setattr(engine, "now_ms", slow)
    await clock.read()
    assert clock.now_ms() == 7_000_200

    async def useless() -> int:
        watch.s += 3.0
        return 1

    monkeypatch.setattr(engine, "now_ms", useless)
    await clock.read()
    assert clock.now_ms() == 7_003_200


async def test_without_redis_the_last_offset_goes_on(watch: Monotonic) -> None:
    engine: Any = Engine(now_ms=7_000_000)
    clock = Clock(engine)
    async with clock.running():
        engine.fault = Unreachable("away")
        watch.s += 1.0
        assert clock.now_ms() == 7_001_000
    never: Any = Engine(0)
    never.fault = Unreachable("away")
    async with Clock(never).running():
        pass


async def test_on_a_real_server(engine: RedisEngine) -> None:
    clock = Clock(engine)
    async with clock.running():
        before_ms = await engine.now_ms()
        shown_ms = clock.now_ms()
        assert abs(shown_ms - before_ms) < 5_000
        await asyncio.sleep(0)
        assert clock.now_ms() >= shown_ms
