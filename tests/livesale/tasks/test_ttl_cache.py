"""The memory of what was just looked up."""

import asyncio

import pytest

from livesale.tasks.ttl_cache import TtlCache


class Source:
    """What is looked up, and how often."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    async def load(self, key: str) -> int | None:
        self.asked.append(key)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.values.get(key)


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_within_its_time_it_is_not_looked_up_again(source: Source) -> None:
    source.values["a"] = 1
    fresh = TtlCache(source.load, ttl_s=60)
    assert [await fresh.get("a") for _ in range(3)] == [1, 1, 1]
    assert [await fresh.get("none") for _ in range(3)] == [None, None, None]
    assert source.asked == ["a", "none"]


async def test_after_its_time_it_is(source: Source) -> None:
    source.values["a"] = 1
    fresh = TtlCache(source.load, ttl_s=0)
    await fresh.get("a")
    source.values["a"] = 2
    assert await fresh.get("a") == 2
    del source.values["a"]
    assert await fresh.get("a") is None


async def test_a_crowd_looks_once_and_one_that_leaves_takes_nothing_along(source: Source) -> None:
    # given
    source.values["a"] = 1
    source.gate.clear()
    fresh = TtlCache(source.load, ttl_s=60)
    crowd = [asyncio.create_task(fresh.get("a")) for _ in range(20)]
    while not source.asked:  # noqa: ASYNC110  a turn of the loop, not a wait
        await asyncio.sleep(0)
    # when: the very one who started the look leaves
    crowd[0].cancel()
    await asyncio.sleep(0)
    source.gate.set()
    # then
    assert await asyncio.gather(*crowd[1:]) == [1] * 19
    assert source.asked == ["a"]


async def test_what_is_forgotten_while_it_is_looked_up_is_looked_up_again() -> None:
    # given somebody who waits for what was read, and is old by now
    values, gate, seen = ["old"], asyncio.Event(), []

    async def load(_key: str) -> str:
        seen.append(values[0])
        value = values[0]
        await gate.wait()
        return value

    fresh = TtlCache(load, ttl_s=60)
    waiting = asyncio.create_task(fresh.get("a"))
    while not seen:  # noqa: ASYNC110  a turn of the loop, not a wait
        await asyncio.sleep(0)
    values[0] = "new"
    # when
    fresh.forget("a")
    gate.set()
    # then nobody gets it, neither now nor later
    assert await waiting == "new"
    assert await fresh.get("a") == "new"
    assert seen == ["old", "new"]


async def test_memory_is_bounded_and_made_up_keys_push_nothing_out(source: Source) -> None:
    source.values = {f"k{number}": number for number in range(5)}
    fresh = TtlCache(source.load, ttl_s=60, max_found=5)
    for key in source.values:
        await fresh.get(key)
    for number in range(100):
        assert await fresh.get(f"made-up-{number}") is None
    source.asked.clear()
    for key in source.values:
        await fresh.get(key)
    assert source.asked == []
    assert (len(fresh._found), len(fresh._missing)) == (5, 5)


async def test_a_fault_is_the_last_value_only_where_that_was_asked_for(source: Source) -> None:
    # given
    source.values["a"] = 1
    kind, stale = (
        TtlCache(source.load, ttl_s=0),
        TtlCache(source.load, ttl_s=0, stale_on=(OSError,)),
    )
    assert [await kind.get("a"), await stale.get("a")] == [1, 1]
    # when
    source.fault = OSError("away")
    # then
    with pytest.raises(OSError, match="away"):
        await kind.get("a")
    assert await stale.get("a") == 1
    with pytest.raises(OSError, match="away"):
        await stale.get("never seen")
    # and: other faults are never hidden, and nothing stays stuck
    source.fault = KeyError("bug")
    with pytest.raises(KeyError):
        await stale.get("a")
    source.fault = None
    assert await stale.get("a") == 1
