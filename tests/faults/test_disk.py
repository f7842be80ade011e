"""Rows 2, 3, 4 and 13 at close range: what a lost, broken or full disk does to Valkey alone."""

import asyncio
import contextlib
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from stock.connection import connect
from tests.faults.clock import RedisClock
from tests.faults.disk import BrokenDisk, FullDisk, PowerLoss, TornTail
from tests.faults.faults import Fault
from tests.faults.schedule import Strike
from tests.faults.system import FaultySystem
from tests.faults.world import World
from tests.waiting import until

SLOW_US = 300_000


def strike(fault: type[Fault], system: FaultySystem, chance: float = 0.3) -> Fault:
    return fault(system, World(), Strike(0.0, fault.kind, 0.1, chance))


@pytest.mark.parametrize("fault", [PowerLoss, TornTail])
async def test_what_was_answered_survives(disk_only: FaultySystem, fault: type[Fault]) -> None:
    # Given ten answered writes, and one whose fsync is under way
    client = connect(disk_only.valkey.url)
    for number in range(10):
        await client.set(f"answered:{number}", number)
    disk_only.shim.set("sync_delay_us", SLOW_US)
    syncs = disk_only.shim.get("syncs")
    writing = asyncio.ensure_future(client.set("unanswered", 1))
    await asyncio.sleep(SLOW_US / 3e6)
    assert not writing.done()
    assert disk_only.shim.get("syncs") == syncs

    # When the power fails and comes back
    power = strike(fault, disk_only)
    await power.start()
    with pytest.raises(RedisError):
        await writing
    disk_only.shim.heal()
    await power.heal()

    # Then the answered are there, and the other is not
    client = connect(disk_only.valkey.url)
    assert await client.mget([f"answered:{n}" for n in range(10)]) == [str(n) for n in range(10)]
    assert await client.get("unanswered") is None
    await client.aclose()


@pytest.mark.parametrize("chance", [0.2, 0.7], ids=["fsync", "write"])
@pytest.mark.parametrize("fault", [BrokenDisk, FullDisk])
async def test_no_answer_after_an_error_of_the_disk(
    disk_only: FaultySystem, fault: type[Fault], chance: float
) -> None:
    # Given an answered write
    client = connect(disk_only.valkey.url)
    await client.set("answered", 1)

    # When the disk fails, then nothing more is answered, and the server ends
    failing = strike(fault, disk_only, chance)
    await failing.start()
    with pytest.raises(RedisConnectionError):
        await client.set("unanswered", "x" * 10_000)
    await client.aclose()
    assert disk_only.valkey.process is not None
    assert disk_only.valkey.process.wait(10) != 0

    # And with a good disk it starts again, with what it answered
    await failing.heal()
    client = connect(disk_only.valkey.url)
    assert await client.get("answered") == "1"
    await client.aclose()


async def test_a_clock_that_steps(disk_only: FaultySystem) -> None:
    async def ahead_s() -> float:
        seconds, micros = await client.time()
        return float(seconds) + float(micros) / 1e6 - time.time()

    async def is_ahead() -> bool:  # Valkey keeps the time of its last turn for a moment
        return 1.5 < await ahead_s() < 2.5

    async def is_right() -> bool:
        return abs(await ahead_s()) < 0.5

    client = connect(disk_only.valkey.url)
    await until(is_right)
    step = strike(RedisClock, disk_only, chance=1.0)
    await step.start()
    await until(is_ahead)
    await step.heal()
    await until(is_right)
    # And the times around it are not held against ours
    assert len(step.world.history.blind) == 1
    with contextlib.suppress(RedisError):
        await client.aclose()
